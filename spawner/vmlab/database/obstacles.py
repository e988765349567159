"""Files of a course that are not in their place in a trainee's home: why, in words. Pure."""

from __future__ import annotations

from typing import Final

from vmlab_protocol.notices import Notice
from vmlab_protocol.receipts import Obstacle, Reason

WORDS: Final = {
    Reason.NOT_A_FILE: Notice(
        "something that is not a file has its name", "autre chose qu'un fichier porte son nom"
    ),
    Reason.NOT_A_FOLDER: Notice(
        "something that is not a folder has its folder's name",
        "autre chose qu'un dossier porte le nom de son dossier",
    ),
    Reason.UNREADABLE: Notice(
        "the file there cannot be read", "le fichier qui s'y trouve est illisible"
    ),
    Reason.FORBIDDEN: Notice(
        "the file or its folder does not belong to the trainee or is locked",
        "le fichier ou son dossier n'appartient pas au participant ou est verrouillé",
    ),
    Reason.NO_ROOM: Notice("the trainee's disk is full", "le disque du participant est plein"),
    Reason.FAILED: Notice("the system refused", "le système a refusé"),
}


def describe(obstacle: Obstacle) -> Notice:
    """Return one line about it."""
    why, at = WORDS[obstacle.reason], obstacle.beside
    return Notice(
        f"{obstacle.path}: {why.en}" + (f"; it is in ~/{at}" if at else ""),
        f"{obstacle.path} : {why.fr}" + (f" ; il est dans ~/{at}" if at else ""),
    )


def tell_delivery(course: str, obstacles: tuple[Obstacle, ...], refused: str) -> Notice | None:
    """Return what a facilitator should know of a delivery; None when all went well.

    Args:
        refused: why the machine took nothing of the newest version.
    """
    if refused:
        return Notice(
            f"Course {course} was refused by the machine: {refused}",
            f"Le cours {course} a été refusé par la machine : {refused}",
        )
    if not obstacles:
        return None
    first, more = describe(obstacles[0]), len(obstacles) - 1
    return Notice(
        f"Course {course}, not in its place: {first.en}" + (f" (and {more} more)" if more else ""),
        f"Cours {course}, pas à sa place : {first.fr}" + (f" (et {more} de plus)" if more else ""),
    )
