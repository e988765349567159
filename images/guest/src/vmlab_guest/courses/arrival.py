"""What a trainee is told when a version of a course arrives in a machine. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vmlab_protocol.notices import Notice

_TOLD = 5


def is_news(version: int, here: Collection[int], *, is_later: bool) -> bool:
    """Tell whether the arrival of a version is worth a word.

    Args:
        here: the versions of the same course that have been in this machine.
        is_later: whether the machine has already got what was published when it started.
    """
    return version not in here and (bool(here) or is_later)


def tell_arrival(course: str, version: int, kept: Sequence[str]) -> Notice:
    """Return what to say of a version that has just arrived.

    Args:
        kept: the files, relative to the course, that the trainee had edited.
    """
    en = f"Version {version} of the course {course} has arrived in your folder {course}."
    fr = f"La version {version} du cours {course} est arrivée dans votre dossier {course}."
    if kept:
        names = ", ".join(kept[:_TOLD]) + (", …" if len(kept) > _TOLD else "")
        en += f" What you edited stays as it is, with the new text beside it: {names}."
        fr += f" Ce que vous avez modifié reste tel quel, le nouveau texte est à côté : {names}."
    en += " If a notebook is open, close it and open it again to see the new text."
    fr += " Si un notebook est ouvert, fermez-le puis rouvrez-le pour voir le nouveau texte."
    return Notice(en, fr)
