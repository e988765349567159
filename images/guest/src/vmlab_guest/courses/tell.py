"""What a trainee is told of a delivery that did not go as it should. Pure."""

from __future__ import annotations

from vmlab_guest.courses.held import Outcome
from vmlab_protocol.notices import Notice
from vmlab_protocol.receipts import Obstacle, Reason

_TOLD = 5

_WHY = {
    Reason.EDITED: ("you have edited it", "vous l'avez modifié"),
    Reason.NOT_A_FILE: (
        "something that is not a file has its name",
        "autre chose qu'un fichier porte son nom",
    ),
    Reason.NOT_A_FOLDER: (
        "something that is not a folder has the name of its folder",
        "autre chose qu'un dossier porte le nom de son dossier",
    ),
    Reason.UNREADABLE: (
        "the file that is there cannot be read",
        "le fichier qui s'y trouve est illisible",
    ),
    Reason.FORBIDDEN: (
        "the file or its folder does not belong to you or is locked",
        "le fichier ou son dossier ne vous appartient pas ou est verrouillé",
    ),
    Reason.NO_ROOM: ("your disk is full", "votre disque est plein"),
    Reason.FAILED: ("the system refused", "le système a refusé"),
}


def tell_obstacles(course: str, outcome: Outcome) -> Notice | None:
    """Return what to say about files that did not get to their place; None when all did."""
    obstacles = outcome.obstacles
    if not obstacles:
        return None
    many = len(obstacles) > 1
    en = [
        f"Course {course}: {len(obstacles)} files are not in their place:"
        if many
        else f"Course {course}: one file is not in its place:"
    ]
    fr = [
        f"Cours {course} : {len(obstacles)} fichiers ne sont pas à leur place :"
        if many
        else f"Cours {course} : un fichier n'est pas à sa place :"
    ]
    for held in obstacles[:_TOLD]:
        en.append(_line_en(held))
        fr.append(_line_fr(held))
    if len(obstacles) > _TOLD:
        en.append(f"  and {len(obstacles) - _TOLD} more")
        fr.append(f"  et {len(obstacles) - _TOLD} de plus")
    if not outcome.is_complete:
        en.append("Please correct this; the missing files will be tried again within ten minutes.")
        fr.append("Corrigez cela ; un nouvel essai aura lieu dans les dix minutes.")
    return Notice("\n".join(en), "\n".join(fr))


def tell_removal(course: str, outcome: Outcome) -> Notice | None:
    """Return what to say when a course was withdrawn; None when nothing of it was here."""
    if not outcome.removed and not outcome.held:
        return None
    en = f"Your trainers have withdrawn the course {course}. Its files were removed."
    fr = f"Vos formateurs ont retiré le cours {course}. Ses fichiers ont été supprimés."
    if outcome.kept:
        names = ", ".join(outcome.kept[:_TOLD]) + (", …" if len(outcome.kept) > _TOLD else "")
        en += f" What you edited stays in ~/{course}: {names}"
        fr += f" Ce que vous avez modifié reste dans ~/{course} : {names}"
    return Notice(en, fr)


def _line_en(held: Obstacle) -> str:
    where = f"; it is in ~/{held.beside}" if held.beside else ""
    return f"  {held.path}: {_WHY[held.reason][0]}{where}"


def _line_fr(held: Obstacle) -> str:
    where = f" ; il se trouve dans ~/{held.beside}" if held.beside else ""
    return f"  {held.path} : {_WHY[held.reason][1]}{where}"
