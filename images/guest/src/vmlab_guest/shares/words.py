"""What a trainee reads of the file server: notices, and a note in its folders' place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmlab_guest.space import show_bytes
from vmlab_protocol.notices import Notice


@dataclass(frozen=True)
class Words:
    """What is told of a file server that is away, and when it is back."""

    away: Notice
    back: Notice


class MakesNotice(Protocol):
    """Makes what is told of a folder that is nearly full, or full."""

    def __call__(self, used_bytes: int, total_bytes: int, *, is_full: bool) -> Notice:
        """Return it."""
        ...


AWAY = Notice(
    en="The file server does not answer. Your lab works; only what is in ~/shared has to wait. "
    "Programs that were writing there wait too and go on by themselves when it is back; nothing "
    "that was saved is lost.",
    fr="Le serveur de fichiers ne répond pas. Votre lab fonctionne ; seul ce qui est dans ~/shared "
    "doit attendre. Les programmes qui y écrivaient attendent aussi et reprennent d'eux-mêmes à "
    "son retour ; rien de ce qui était enregistré n'est perdu.",
)
BACK = Notice(
    en="The file server answers again: ~/shared is there, and what was waiting goes on.",
    fr="Le serveur de fichiers répond de nouveau : ~/shared est là, et ce qui attendait reprend.",
)

_HOME_AWAY = Notice(
    en="The file server does not answer, and your files are on it. Programs that open or save a "
    "file wait, and go on by themselves when it is back; nothing that was saved is lost. What is "
    "running goes on until it needs a file. JupyterLab says which files it could not save: leave "
    "this page open, and save them again when the server answers.",
    fr="Le serveur de fichiers ne répond pas, et vos fichiers y sont. Les programmes qui ouvrent "
    "ou enregistrent un fichier attendent, et reprennent d'eux-mêmes à son retour ; rien de ce "
    "qui était enregistré n'est perdu. Ce qui s'exécute continue tant qu'aucun fichier n'est "
    "nécessaire. JupyterLab indique les fichiers qu'il n'a pas pu enregistrer : laissez cette "
    "page ouverte, et enregistrez-les de nouveau quand le serveur répondra.",
)
_HOME_BACK = Notice(
    en="The file server answers again: your files are there, and what was waiting goes on.",
    fr="Le serveur de fichiers répond de nouveau : vos fichiers sont là, et ce qui attendait "
    "reprend.",
)
FILES_WAIT = Notice(
    en="The file server does not answer, and this file is on it. Nothing that was saved is lost. "
    "Try again in a minute.",
    fr="Le serveur de fichiers ne répond pas, et ce fichier s'y trouve. Rien de ce qui était "
    "enregistré n'est perdu. Réessayez dans une minute.",
)
"""Of JupyterLab, which was asked for a file."""

WORDS = {False: Words(AWAY, BACK), True: Words(_HOME_AWAY, _HOME_BACK)}
"""By whether the home is on the file server."""

NOTE_NAME = "READ-ME_LISEZ-MOI.txt"
NOTE = f"""\
{AWAY.en}

This folder is empty as long as that lasts: put nothing here.

{AWAY.fr}

Ce dossier est vide tant que cela dure : n'y mettez rien.
"""


def make_quota_notice(used_bytes: int, total_bytes: int, *, is_full: bool) -> Notice:
    """Return what is told of an own folder that is nearly full, or full."""
    used, total = show_bytes(used_bytes), show_bytes(total_bytes)
    if not is_full:
        en = f"Your folder on the file server is nearly full: {used} of {total}."
        fr = f"Votre dossier sur le serveur de fichiers est presque plein : {used} sur {total}."
    else:
        en = f"Your folder on the file server is full ({total})."
        fr = f"Votre dossier sur le serveur de fichiers est plein ({total})."
    return Notice(
        en=f"{en} What does not fit is lost, and not every program says so. Please delete what you "
        "do not need any more from ~/shared/mine; what you handed in counts, too.",
        fr=f"{fr} Ce qui n'y tient pas est perdu, et tous les programmes ne le disent pas. "
        "Supprimez de ~/shared/mine ce dont vous n'avez plus besoin ; ce que vous avez rendu "
        "compte aussi.",
    )


def make_home_notice(used_bytes: int, total_bytes: int, *, is_full: bool) -> Notice:
    """Return what is told of a home on the file server that is nearly full, or full."""
    used, total = show_bytes(used_bytes), show_bytes(total_bytes)
    if not is_full:
        en = f"Your home folder is nearly full: {used} of {total}."
        fr = f"Votre dossier personnel est presque plein : {used} sur {total}."
    else:
        en = f"Your home folder is full ({total})."
        fr = f"Votre dossier personnel est plein ({total})."
    return Notice(
        en=f"{en} What does not fit is lost, and not every program says so. Please delete what you "
        "do not need any more (lab.space() shows what is largest); what you handed in counts, too.",
        fr=f"{fr} Ce qui n'y tient pas est perdu, et tous les programmes ne le disent pas. "
        "Supprimez ce dont vous n'avez plus besoin (lab.space() montre ce qui est le plus gros) ; "
        "ce que vous avez rendu compte aussi.",
    )


def make_shared_notice(used_bytes: int, total_bytes: int, *, is_full: bool) -> Notice:
    """Return what trainers are told of what is shared, when it is nearly full, or full."""
    used, total = show_bytes(used_bytes), show_bytes(total_bytes)
    if not is_full:
        en = f"What is shared with everyone takes up nearly all of its room: {used} of {total}."
        fr = f"Ce qui est partagé avec tous occupe presque toute sa place : {used} sur {total}."
    else:
        en = f"There is no more room for what is shared with everyone ({total})."
        fr = f"Il n'y a plus de place pour ce qui est partagé avec tous ({total})."
    return Notice(
        en=f"{en} What does not fit is lost, and not every program says so. What nobody needs any "
        "more in ~/shared/everyone can go. Trainees' own folders are not affected.",
        fr=f"{fr} Ce qui n'y tient pas est perdu, et tous les programmes ne le disent pas. "
        "Supprimez de ~/shared/everyone ce dont personne n'a plus besoin. Les dossiers des "
        "participants ne sont pas touchés.",
    )
