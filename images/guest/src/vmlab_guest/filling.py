"""Notices about a home that is nearly full or full, withdrawn when there is room again.

A start that finds the home full says so before its server is there (`FULL_AT_START`): a page and a
terminal that are opened at once show it, too. What takes the space is found out afterwards.
"""

from __future__ import annotations

from enum import IntEnum

from vmlab_guest.notices import change_notice
from vmlab_guest.reserve import full_bytes, was_full
from vmlab_guest.shares.home import is_home_remote
from vmlab_guest.space import Usage, find_usage, show_bytes, show_path
from vmlab_guest.system import DiskSpace, System, inside
from vmlab_protocol.machine import HOME
from vmlab_protocol.notices import Notice

_LITTLE_SHARE, _LITTLE_BYTES = 10, 2**30  # one in so many bytes is left, and no more than this
_POLL_S = 20.0

FULL_AT_START = Notice(
    en="Your disk is full. Your lab works, with a small reserve: please delete what you do not "
    "need any more.",
    fr="Votre disque est plein. Votre lab fonctionne, avec une petite réserve : supprimez ce dont "
    "vous n'avez plus besoin.",
)


class Level(IntEnum):
    """How full a home is; a higher one is worse."""

    ROOMY = 0
    FILLING = 1
    FULL = 2


def choose_level(space: DiskSpace, before: Level) -> Level:
    """Return how full a home is. Pure.

    What was told is taken back only when there is clearly more room: a home that hovers about a
    limit has one notice, not a new one with each file.
    """
    little = min(space.total_bytes // _LITTLE_SHARE, _LITTLE_BYTES)
    if space.free_bytes < full_bytes(space.total_bytes):
        return Level.FULL
    if before is not Level.ROOMY and space.free_bytes < little + little // 2:
        return before
    return Level.FILLING if space.free_bytes < little else Level.ROOMY


class Filling:
    """Watches the home of one seed; used by one thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._level = Level.FULL if was_full(system) else Level.ROOMY
        self._told: Notice | None = FULL_AT_START if was_full(system) else None
        self._is_detailed = self._told is None

    def look(self) -> None:
        """Look how full the home is, and tell what is new.

        Raises:
            OSError: it cannot be asked, or the notice cannot be written; to be tried again.
        """
        if is_home_remote(self._system.root):
            return  # the quota there is told of by `shares.watch`; asking could take for ever
        level = choose_level(self._system.disk_space(HOME), self._level)
        if level is self._level and self._is_detailed:
            return
        new = None
        if level is not Level.ROOMY:
            usage = find_usage(inside(self._system, HOME), limit_s=_POLL_S)
            at_start = self._told is FULL_AT_START and level is Level.FULL
            new = make_filling_notice(usage, level, has_reserve=at_start)
        change_notice(self._system, self._told, new)
        self._level, self._told, self._is_detailed = level, new, True


def make_filling_notice(usage: Usage, level: Level, *, has_reserve: bool) -> Notice:
    """Return what a trainee is told of a home that fills, or is full. Pure."""
    rows = [*usage.entries[:4], *(f for f in usage.files[:3] if "/" in f.path)]
    lines = "".join(f"\n  {show_bytes(row.size_bytes):>10}  {show_path(row.path)}" for row in rows)
    total, free = show_bytes(usage.total_bytes), show_bytes(usage.free_bytes)
    if level is Level.FILLING:
        en = f"Your disk ({total}) is nearly full: {free} left."
        fr = f"Votre disque ({total}) est presque plein : il reste {free}."
    elif has_reserve:
        en = f"Your disk ({total}) is full. Your lab works, with a reserve of {free}."
        fr = f"Votre disque ({total}) est plein. Votre lab fonctionne, avec une réserve de {free}."
    else:
        en = f"Your disk ({total}) is full: {free} left, and saving files may fail."
        fr = (
            f"Votre disque ({total}) est plein : il reste {free}, et l'enregistrement de fichiers "
            "peut échouer."
        )
    return Notice(
        en=f"{en} Please delete what you do not need any more. The largest folders and files:"
        f"{lines}",
        fr=f"{fr} Supprimez ce dont vous n'avez plus besoin. Les dossiers et fichiers les plus "
        f"gros :{lines}",
    )
