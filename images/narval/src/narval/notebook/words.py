"""What the widgets say, in the trainee's language."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path


class Language(StrEnum):
    """Languages of the widgets. States, actions and actors keep NARVAL's own names in both."""

    EN = "en"
    FR = "fr"


PHRASES: Mapping[str, tuple[str, str]] = {
    # run control
    "state": ("State", "État"),
    "status": ("State: {state} · Run: {run}", "État : {state} · Run : {run}"),
    "no_run": ("no run yet", "pas encore de run"),
    "under_way": ("{action} is under way…", "{action} est en cours…"),
    "done": ("{action}: done.", "{action} : fait."),
    "failed": ("That did not work: {error}", "Cela n'a pas fonctionné : {error}"),
    "button_help": ("Ask for the action {action}", "Demander l'action {action}"),
    "actor": ("Actor", "Acteur"),
    "in": ("In", "Entrée"),
    "out": ("Out", "Sortie"),
    "blocks": ("Blocks in / out", "Blocs entrée / sortie"),
    "fullest": ("Fullest buffer", "Tampon le plus plein"),
    "actors": (
        "Actors of {sub_system}; rates over the last {seconds:g} s",
        "Acteurs de {sub_system} ; débits sur les {seconds:g} dernières secondes",
    ),
    "no_actors": ("No actor is running.", "Aucun acteur n'est lancé."),
    "alarms": ("Alarms", "Alarmes"),
    "no_alarms": ("No alarm.", "Pas d'alarme."),
    "alarm_died": ("{actor} has failed: {detail}", "{actor} est en erreur : {detail}"),
    "alarm_sub_system": ("The sub-system: {detail}", "Le sous-système : {detail}"),
    "alarm_buffer_full": (
        "{actor}: buffer {detail} has been full for {seconds} s; what reads it is too slow",
        "{actor} : le tampon {detail} est plein depuis {seconds} s ; son lecteur est trop lent",
    ),
    "alarm_no_data": (
        "{actor}: no data for {seconds} s",
        "{actor} : pas de données depuis {seconds} s",
    ),
    "alarm_lost": (
        "{actor}: frames lost in this run: {detail}; the log says why",
        "{actor} : trames perdues dans ce run : {detail} ; le journal dit pourquoi",
    ),
    "log": ("Last log lines", "Dernières lignes du journal"),
    "no_log": ("Nothing has been logged yet.", "Le journal est encore vide."),
    # picture
    "not_configured": (
        "There is no topology yet: configure the sub-system.",
        "Il n'y a pas encore de topologie : configurez le sous-système.",
    ),
    # spectra
    "spectrum": ("Spectrum", "Spectre"),
    "spectrum_help": ("Which spectrum is shown", "Le spectre affiché"),
    "no_spectrum": (
        "There is no spectrum yet: start the acquisition.",
        "Il n'y a pas encore de spectre : démarrez l'acquisition.",
    ),
    "rebin": ("Rebin", "Regrouper"),
    "rebin_help": (
        "How many bins are joined to one",
        "Combien de canaux sont regroupés en un seul",
    ),
    "log_scale": ("Logarithmic", "Logarithmique"),
    "log_scale_help": (
        "Counts on a logarithmic scale",
        "Les coups sur une échelle logarithmique",
    ),
    "zoom": ("Zoom to range", "Zoomer"),
    "zoom_help": (
        "Show only what is between the limits, or all",
        "N'afficher que ce qui est entre les limites, ou tout",
    ),
    "live": ("Live", "En direct"),
    "live_help": (
        "Follow the acquisition, or hold what is shown",
        "Suivre l'acquisition, ou figer l'affichage",
    ),
    "clear": ("Clear", "Vider"),
    "clear_help": ("Empty all spectra of this actor", "Vider tous les spectres de cet acteur"),
    "from": ("From", "De"),
    "to": ("to", "à"),
    "range_help": (
        "Limit of the fit; also drag over the picture",
        "Limite de l'ajustement ; ou faites glisser sur l'image",
    ),
    "fit": ("Fit a peak", "Ajuster un pic"),
    "fit_help": (
        "Gaussian on a straight background, between the limits",
        "Gaussienne sur un fond linéaire, entre les limites",
    ),
    "counts": ("counts", "coups"),
    "counts_log": ("log10(counts)", "log10(coups)"),
    "entries": (
        "{name}: {entries} entries, {outside} outside; highest bin {counts} at {place}.",
        "{name} : {entries} entrées, {outside} hors limites ; maximum {counts} à {place}.",
    ),
    "centroid": ("Centroid", "Centroïde"),
    "fwhm": ("FWHM", "LTMH"),
    "area": ("Area", "Aire"),
    "fit_quality": ("χ² per degree of freedom", "χ² par degré de liberté"),
    # why there is no fit
    "fit_range": (
        "Choose a range: the fit needs at least {least} bins, there are {bins}.",
        "Choisissez un intervalle : il faut au moins {least} canaux, il y en a {bins}.",
    ),
    "fit_few": (
        "Only {counts} counts are in this range; wait, or choose a wider one.",
        "Il n'y a que {counts} coups dans cet intervalle ; attendez, ou élargissez-le.",
    ),
    "fit_no_peak": (
        "No peak stands out of the background in this range.",
        "Aucun pic ne sort du fond dans cet intervalle.",
    ),
    "fit_unstable": (
        "The fit found no stable answer; choose a range with one peak and some background.",
        "L'ajustement n'a pas convergé ; choisissez un seul pic et un peu de fond autour.",
    ),
}


def find_language(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the trainee's language: VMLAB_LANGUAGE, else the machine's, else that of LANG."""
    try:
        root = Path(environment.get("VMLAB_ROOT") or "/")
        machine = (root / "run/vmlab/language").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        machine = ""  # not a VMLab machine
    for value in (environment.get("VMLAB_LANGUAGE", ""), machine, environment.get("LANG", "")):
        code = value.strip().lower()[:2]
        if code in set(Language):
            return Language(code)
    return Language.EN


def phrase(name: str, language: Language, /, **facts: object) -> str:
    """Return one of the sentences with the facts in it."""
    en, fr = PHRASES[name]
    return (fr if language is Language.FR else en).format(**facts)
