"""What a trainee reads of the file server: notices, and a note in its folders' place. Pure."""

from __future__ import annotations

from vmlab_guest.space import show_bytes
from vmlab_protocol.notices import Notice

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
