"""What trainees read when something went wrong: plain words, both languages, what to do next."""

from __future__ import annotations

from typing import Final

from vmlab_protocol.messages import ServerTrouble
from vmlab_protocol.notices import Notice

FAILED: Final = Notice(
    "Your machine could not be started. Please tell a facilitator.",
    "Votre machine n'a pas pu démarrer. Prévenez un encadrant.",
)
SETUP_FAILED: Final = Notice(
    "Your machine could not be set up. Please tell a facilitator.",
    "Votre machine n'a pas pu être configurée. Prévenez un encadrant.",
)
HOME_AWAY: Final = Notice(
    "Your files are on the class's file server, which does not answer. They are safe. Start your "
    "machine again in a minute; if that does not help, please tell a facilitator.",
    "Vos fichiers sont sur le serveur de fichiers commun, qui ne répond pas. Ils sont en "
    "sécurité. Démarrez de nouveau votre machine dans une minute ; si cela ne suffit pas, prévenez "
    "un encadrant.",
)
POWER_FAILED: Final = Notice(
    "Your machine could not be powered on. Please tell a facilitator.",
    "Votre machine n'a pas pu être mise sous tension. Prévenez un encadrant.",
)
TOO_LATE: Final = Notice(
    "Your machine was not ready in time. Please start it again.",
    "Votre machine n'était pas prête à temps. Démarrez-la de nouveau.",
)
LONG_QUEUE: Final = Notice(
    "Many machines are starting, and your turn did not come in time. Please start yours again.",
    "Beaucoup de machines démarrent en même temps, et votre tour n'est pas venu à "
    "temps. Démarrez la vôtre de nouveau.",
)
WENT_OFF: Final = Notice(
    "Your machine stopped while it was starting. Please start it again.",
    "Votre machine s'est arrêtée pendant son démarrage. Démarrez-la de nouveau.",
)
CRASHED: Final = Notice(
    "The system of your machine crashed (kernel panic) and was started again. Your files are as "
    "you last saved them; what was running in notebooks and terminals has stopped.",
    "Le système de votre machine s'est arrêté brutalement (kernel panic) et a été redémarré. Vos "
    "fichiers sont tels que vous les avez enregistrés ; ce qui tournait dans les notebooks et les "
    "terminaux s'est arrêté.",
)
NOT_ON: Final = Notice(
    "This can be done only while your machines are on. Start them first, or wait until they have "
    "started.",
    "Ceci n'est possible que lorsque vos machines sont allumées. Démarrez-les d'abord, ou attendez "
    "qu'elles aient démarré.",
)
NOT_RENEWED: Final = Notice(
    "Your machine could not be replaced; nothing of yours is lost. Please tell a facilitator.",
    "Votre machine n'a pas pu être remplacée ; rien n'est perdu. Prévenez un encadrant.",
)
NOT_RESTARTED: Final = Notice(
    "This machine could not be restarted; files on its disks are not lost. Please tell a "
    "facilitator.",
    "Cette machine n'a pas pu redémarrer ; les fichiers de ses disques ne sont pas perdus. "
    "Prévenez un encadrant.",
)
DISK_IN_USE: Final = Notice(
    "Your disk is in use by another machine. Stop that one first.",
    "Votre disque est utilisé par une autre machine. Éteignez-la d'abord.",
)
NO_PLACE: Final = Notice(
    "All places are taken at the moment. Please try again later.",
    "Toutes les places sont prises pour le moment. Réessayez plus tard.",
)
NO_MEMORY: Final = Notice(
    "The host has too little free memory for your machine. Please tell a facilitator.",
    "L'hôte n'a pas assez de mémoire libre pour votre machine. Prévenez un encadrant.",
)
HOST_FULL: Final = Notice(
    "The host's disk is full. Please tell a facilitator.",
    "Le disque de l'hôte est plein. Prévenez un encadrant.",
)
COPIES_BUSY: Final = Notice(
    "Other people's copies are being made at the moment. Please try again in a few minutes.",
    "Des copies demandées par d'autres sont en cours. Réessayez dans quelques minutes.",
)
DISK_FAILED: Final = Notice(
    "Your machine's disk could not be prepared. Please tell a facilitator.",
    "Le disque de votre machine n'a pas pu être préparé. Prévenez un encadrant.",
)
NO_ENGINE: Final = Notice(
    "The program that runs the machines is missing on this host. Please tell a facilitator.",
    "Le programme qui fait fonctionner les machines n'est pas installé sur cet hôte. "
    "Prévenez un encadrant.",
)
NO_IMAGE: Final = Notice(
    "The system image of this lab is missing. Please tell a facilitator.",
    "L'image système de ce lab est absente. Prévenez un encadrant.",
)
BAD_IMAGE: Final = Notice(
    "The system image of this lab is damaged. Please tell a facilitator.",
    "L'image système de ce lab est endommagée. Prévenez un encadrant.",
)
NEW_SYSTEM: Final = Notice(
    "Your machine starts from a new system image. Your home folder is as you left it. "
    "Packages that you installed are not in the new system; "
    "the old system is kept, ask a facilitator if you need something from it.",
    "Votre machine démarre sur une nouvelle image système. Votre dossier personnel est tel "
    "que vous l'avez laissé. Les paquets que vous aviez installés ne sont pas dans le nouveau "
    "système ; l'ancien est conservé, demandez à un encadrant si vous en avez besoin.",
)
NEW_SYSTEM_ONLY: Final = Notice(
    "Your machine starts from a new system image. Your home folder is as you left it. "
    "Packages that you installed are not in the new system; "
    "the old system could not be kept: together with your data it would take too much space.",
    "Votre machine démarre sur une nouvelle image système. Votre dossier personnel est tel "
    "que vous l'avez laissé. Les paquets que vous aviez installés ne sont pas dans le nouveau "
    "système ; l'ancien n'a pas pu être conservé : avec vos données, il prendrait trop de place.",
)


def not_ready(label: str) -> Notice:
    """Return what to tell when a machine of a group does not get ready; it keeps none of them."""
    return Notice(
        f"Your machines could not be started, because {label} was not ready in time. None of them "
        "was left running. Please start them again; if that does not help, tell a facilitator.",
        f"Vos machines n'ont pas pu démarrer : {label} n'était pas prête à temps. Aucune n'a "
        "été laissée en marche. Démarrez-les de nouveau ; si cela ne suffit pas, prévenez un "
        "encadrant.",
    )


def server_in_trouble(trouble: ServerTrouble) -> Notice:
    """Return what to tell when a server ended repeatedly and is being started once more."""
    said = trouble.line
    return Notice(
        f"JupyterLab stopped {trouble.ends} times before you could use it. Your own settings are "
        "the most likely reason, so it is now being started without them."
        + (f" It said: {said}" if said else ""),
        f"JupyterLab s'est arrêté {trouble.ends} fois avant que vous puissiez vous en servir. Vos "
        "propres réglages en sont sans doute la cause ; il démarre maintenant sans eux."
        + (f" Son message : {said}" if said else ""),
    )


def server_failed(trouble: ServerTrouble) -> Notice:
    """Return what to tell when a server does not start even without the trainee's settings."""
    said = trouble.line
    return Notice(
        "JupyterLab does not start on your machine, not even without your own settings. Please "
        "show this to a facilitator." + (f" It said: {said}" if said else ""),
        "JupyterLab ne démarre pas sur votre machine, même sans vos propres réglages. Montrez "
        "ceci à un encadrant." + (f" Son message : {said}" if said else ""),
    )
