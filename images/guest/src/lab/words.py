"""The language of the trainee, and the sentences that `lab` itself says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vmlab_protocol.notices import Language

PHRASES: Mapping[str, tuple[str, str]] = {
    "passed": ("Passed", "Réussi"),
    "failed": ("Not yet", "Pas encore"),
    "step": ("Step", "Étape"),
    "remarked": ("{head}: {remark}", "{head} : {remark}"),
    "again": ("Check again", "Vérifier à nouveau"),
    "notice": ("Please note", "À savoir"),
    "space": (
        "Your disk: {used} of {total} used, {free} free.",
        "Votre disque : {used} utilisés sur {total}, {free} libres.",
    ),
    "space_cut": (
        "There are too many files to look at them all; these are some of them.",
        "Il y a plus de fichiers que ce qui a pu être parcouru ; voici une partie.",
    ),
    "space_entries": ("Largest folders", "Dossiers les plus gros"),
    "space_files": ("Largest files", "Fichiers les plus gros"),
    "snapshots": (
        "Earlier states of your home folder",
        "États antérieurs de votre dossier personnel",
    ),
    "snapshots_on_server": (
        (
            "Your home folder is on the class's file server. To bring back a file or a folder as "
            "it was, ask a facilitator: say which one, and when it was still right."
        ),
        (
            "Votre dossier personnel est sur le serveur de fichiers commun. Pour retrouver "
            "un fichier ou un dossier tel qu'il était, demandez à un encadrant : dites lequel, et "
            "quand il était encore bon."
        ),
    ),
    "snapshots_none": (
        "There is no earlier state of your home folder yet: one is kept every hour.",
        (
            "Il n'y a pas encore d'état antérieur de votre dossier personnel : il en est conservé "
            "un par heure."
        ),
    ),
    "snapshots_away": (
        "The earlier states cannot be listed right now. Try again in a minute. ({why})",
        "Les états antérieurs ne sont pas accessibles. Réessayez dans une minute. ({why})",
    ),
    "snapshot_open": ("Open", "Ouvrir"),
    "snapshot_opening": (
        "Opening it; this can take a few minutes.",
        "Ouverture en cours ; cela peut prendre quelques minutes.",
    ),
    "snapshot_opened": (
        "Open: choose what to bring back as it was, then press “Restore”.",
        "Ouvert : choisissez ce qui doit redevenir comme avant, puis « Restaurer ».",
    ),
    "snapshot_not_opened": (
        "It could not be opened: {why}",
        "Il n'a pas pu être ouvert : {why}",
    ),
    "snapshot_into": ("Open folder", "Ouvrir le dossier"),
    "snapshot_up": ("Up", "Remonter"),
    "snapshot_restore": ("Restore", "Restaurer"),
    "snapshot_choose": (
        "First choose one or more entries in the list.",
        "Choisissez d'abord un ou plusieurs éléments de la liste.",
    ),
    "snapshot_one_folder": (
        "Choose one folder in the list.",
        "Choisissez un seul dossier dans la liste.",
    ),
    "snapshot_cut": ("More than can be listed", "Trop d'éléments pour tout afficher"),
    "snapshot_done": (
        "{restored} restored, {unchanged} already the same.",
        "{restored} restauré(s), {unchanged} déjà identique(s).",
    ),
    "snapshot_kept": ("What was replaced is kept as:", "Ce qui a été remplacé est conservé sous :"),
    "snapshot_failed": ("Not restored:", "Non restauré :"),
    "snapshot_full": (
        "Your disk is full: delete something, then try again. `lab.space()` may help.",
        "Votre disque est plein : faites de la place, puis réessayez. `lab.space()` peut aider.",
    ),
    "reason_hourly": ("every hour", "toutes les heures"),
    "reason_manual": ("on request", "à la demande"),
    "reason_kept": ("before a restore", "avant une restauration"),
    "reason_before": ("before a change", "avant un changement"),
    "folder": ("folder", "dossier"),
    "not_recorded": (
        (
            "The result could not be sent to the facilitators' board; your work is not affected. "
            "Check again later."
        ),
        (
            "Le résultat n'a pas pu être transmis au tableau de bord des encadrants ; votre "
            "travail n'est pas touché. Vérifiez à nouveau plus tard."
        ),
    ),
    "no_exercise": (
        (
            "This notebook is not in the folder of an exercise. Open the one in the course's "
            "own folder in your home, then check again. A course that your trainers have withdrawn "
            "can no longer be checked."
        ),
        (
            "Ce notebook n'est pas dans le dossier d'un exercice. Ouvrez celui qui est dans le "
            "dossier du cours, dans votre dossier personnel, puis vérifiez à nouveau. Un cours que "
            "vos formateurs ont retiré ne peut plus être vérifié."
        ),
    ),
    "no_step": (
        "This exercise has no step `{name}`. Its steps are: {steps}.",
        "Cet exercice n'a pas d'étape `{name}`. Ses étapes sont : {steps}.",
    ),
    "stale": (
        (
            "The cell that defines {names} could not be run: it has a syntax error "
            "(SyntaxError). Correct it and run it, then check; for now, the old version is "
            "still there."
        ),
        (
            "La cellule qui définit {names} n'a pas pu être exécutée : elle contient une erreur de "
            "syntaxe (SyntaxError). Corrigez-la, exécutez-la, puis vérifiez ; pour l'instant, "
            "c'est encore l'ancienne version qui est là."
        ),
    ),
    "dots": (
        "First replace the three dots `...` above with your answer, run that cell, then check.",
        (
            "Remplacez d'abord les trois points `...` ci-dessus par votre réponse, exécutez la "
            "cellule, puis vérifiez."
        ),
    ),
    "usage": (
        "This check is called like this: `{usage}`.",
        "Cette vérification s'appelle ainsi : `{usage}`.",
    ),
    "too_long": (
        (
            "The check gave up after {seconds} seconds: something on the machine does not answer. "
            "Look for a program that hangs, then check again."
        ),
        (
            "La vérification a abandonné après {seconds} secondes : quelque chose ne répond "
            "pas sur "
            "la machine. Cherchez un programme bloqué, puis vérifiez à nouveau."
        ),
    ),
    "broken": (
        (
            "The check itself has a problem; it is not your mistake. Tell a facilitator: "
            "{course}, {exercise}, step {name}."
        ),
        (
            "La vérification elle-même a un problème ; ce n'est pas votre faute. Signalez-le "
            "à un encadrant : {course}, {exercise}, étape {name}."
        ),
    ),
}


def machine_root() -> Path:
    """Return where the machine's file system begins; VMLAB_ROOT moves it for tests."""
    return Path(os.environ.get("VMLAB_ROOT") or "/")


def find_language() -> Language:
    """Return the trainee's language: VMLAB_LANGUAGE, else the machine's, else that of LANG."""
    try:
        machine = (machine_root() / "run/vmlab/language").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        machine = ""  # not a VMLab machine
    for value in (os.environ.get("VMLAB_LANGUAGE", ""), machine, os.environ.get("LANG", "")):
        code = value.strip().lower()[:2]
        if code in set(Language):
            return Language(code)
    return Language.EN


def phrase(name: str, language: Language) -> str:
    """Return one of `lab`'s sentences."""
    en, fr = PHRASES[name]
    return fr if language is Language.FR else en
