"""What a starting machine tells the waiting trainee. Pure.

Percentage and remaining time follow from how long each phase took in earlier starts (median);
without history the percentage counts phases, and no time is shown. Events come when something
happens; each says how far the phase under way goes and how long it still takes, so that a page can
move its bar in between without promising more than is known.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vmlab.lab.start_order import DESK
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import PHASES, Phase

_TEXTS = {
    Phase.QUEUE: Notice("Waiting in the queue", "En attente dans la file"),
    Phase.IMAGE: Notice("Checking the system image", "Vérification de l'image système"),
    Phase.DISK: Notice("Preparing the system disk", "Préparation du disque système"),
    Phase.VOLUME: Notice("Attaching your disk", "Raccordement de votre disque"),
    Phase.POWER: Notice("Switching your machine on", "Mise sous tension de votre machine"),
    Phase.BOOT: Notice("Starting its system", "Démarrage de son système"),
    Phase.IDENTITY: Notice("Giving your machine its name", "Attribution de son identité"),
    Phase.KEYS: Notice("Installing keys", "Installation des clés"),
    Phase.NETWORK: Notice("Connecting the network", "Connexion au réseau"),
    Phase.MOUNTS: Notice("Opening your home folder", "Ouverture de votre dossier personnel"),
    Phase.EXERCISES: Notice("Updating the exercises", "Mise à jour des exercices"),
    Phase.SERVER: Notice("Starting JupyterLab", "Démarrage de JupyterLab"),
    Phase.READY: Notice("Opening your machine", "Ouverture de votre machine"),
}

_PART_TEXTS = {
    Phase.VOLUME: Notice("Attaching its disk", "Raccordement de son disque"),
    Phase.POWER: Notice("Switching it on", "Mise sous tension"),
    Phase.IDENTITY: Notice("Giving it its name", "Attribution de son identité"),
    Phase.MOUNTS: Notice("Opening its folders", "Ouverture de ses dossiers"),
    Phase.READY: Notice("Ready", "Prête"),
}
"""Of one machine among several."""

_WAITING = Notice("Waiting until it is ready", "Attente qu'elle soit prête")
"""Of a machine without JupyterLab."""

ALMOST_DONE = 95
"""Percent that only a ready machine exceeds."""

_READY = 99
"""Percent of a ready machine: the hub's readiness probe follows, and the hub then says 100."""

_LONG_S = 90
"""From here on, minutes are exact enough."""


@dataclass(frozen=True)
class Estimate:
    """How far a start is."""

    percent: int
    left_s: float | None  # None: there is no earlier start, or this one takes longer
    phase_end: int  # percent when the phase under way will be over
    phase_left_s: float | None  # seconds until then; None as above


def estimate(phase: Phase, medians_s: Mapping[str, float], in_phase_s: float = 0.0) -> Estimate:
    """Return how far a start is that has been in `phase` for so long."""
    if phase is Phase.READY:
        return Estimate(_READY, 0.0, _READY, 0.0)
    index = PHASES.index(phase)
    total_s = sum(medians_s.get(p, 0.0) for p in PHASES)
    if total_s <= 0:
        percent = ALMOST_DONE * index // (len(PHASES) - 1)
        return Estimate(percent, None, percent, None)
    before_s = sum(medians_s.get(p, 0.0) for p in PHASES[:index])
    after_s = before_s + medians_s.get(phase, 0.0)
    done_s = min(before_s + in_phase_s, after_s)
    return Estimate(
        percent=int(ALMOST_DONE * done_s / total_s),
        left_s=None if in_phase_s > medians_s.get(phase, 0.0) else round(total_s - done_s, 1),
        phase_end=int(ALMOST_DONE * after_s / total_s),
        phase_left_s=round(after_s - done_s, 1),
    )


def make_event(
    phase: Phase,
    medians_s: Mapping[str, float],
    *,
    elapsed_s: float,
    language: str,
    in_phase_s: float = 0.0,
    notice: Notice | None = None,
) -> dict[str, Any]:
    """Return one progress event as the hub sends it to browsers (docs/protocols.md, 6)."""
    guess = estimate(phase, medians_s, in_phase_s)
    event = {
        "progress": guess.percent,
        **words(notice or _TEXTS[phase], language),
        "phase": phase.value,
        "eta_s": guess.left_s,
        "progress_end": guess.phase_end,
        "phase_s": guess.phase_left_s,
        "elapsed_s": round(elapsed_s, 1),
    }
    # A page keeps a notice on screen when the next phase begins.
    return {**event, "notice": True} if notice else event


def make_queue_event(
    place: int,
    wait_s: float | None,
    medians_s: Mapping[str, float],
    *,
    elapsed_s: float,
    language: str,
) -> dict[str, Any]:
    """Return the event of a start that waits in the queue.

    Args:
        place: 1 for the next one.
        wait_s: seconds until it is its turn; None when nobody knows. Of no meaning without history.
    """
    left_s = estimate(Phase.IMAGE, medians_s).left_s
    ready_s = None if left_s is None or wait_s is None else round(wait_s + left_s, 1)
    event = make_event(Phase.QUEUE, medians_s, elapsed_s=elapsed_s, language=language)
    said = words(_queue_text(place, ready_s), language)
    return {**event, **said, "position": place, "eta_s": ready_s}


def phase_text(phase: Phase, label: str = "") -> Notice:
    """Return what is said of a phase; with a label, of one machine among several."""
    if not label:
        return _TEXTS[phase]
    if phase is Phase.SERVER and label != DESK:
        return about(label, _WAITING)
    return about(label, _PART_TEXTS.get(phase, _TEXTS[phase]))


def about(label: str, text: Notice) -> Notice:
    """Return a text that says which of several machines it is about."""
    return Notice(f"{label}: {text.en}", f"{label}\u202f: {text.fr}")


def words(text: Notice, language: str) -> dict[str, str]:
    """Return a text as a progress event carries it."""
    message = text.fr if language == "fr" else text.en
    return {"message": message, "html_message": make_bilingual_html(text)}


def _queue_text(place: int, ready_s: float | None) -> Notice:
    en = f"You are number {place} in the queue"
    fr = f"Vous êtes numéro {place} dans la file"
    if ready_s is None:
        return Notice(en, fr)
    about = _round_time(ready_s)
    return Notice(
        f"{en}; your machine is ready in about {about}",
        f"{fr} ; votre machine sera prête dans environ {about}",
    )


def _round_time(seconds: float) -> str:
    """Return a duration as both languages write it, in steps that suit an estimate."""
    if seconds > _LONG_S:
        return f"{math.ceil(seconds / 60)} min"
    return f"{max(1, math.ceil(seconds / 5)) * 5} s"


def make_bilingual_html(text: Notice) -> str:
    """Return both languages, each marked with its own; the page shows one."""
    parts = (("en", text.en), ("fr", text.fr))
    return "".join(f'<span lang="{lang}">{html.escape(words)}</span>' for lang, words in parts)
