"""Which program a topology's `binary_code` names. Each is imported when it is wanted."""

from __future__ import annotations

import difflib
import importlib

from narval.errors import NarvalError
from narval.plugins.plugin import Plugin

CATALOGUE: dict[str, str] = {
    "generic_producer": "narval.actors.generic:GenericProducer",
    "generic_filter": "narval.actors.generic:GenericFilter",
    "generic_consumer": "narval.actors.generic:GenericConsumer",
    "data_rate_producer": "narval.actors.rate:RateProducer",
    "data_rate_consumer": "narval.actors.rate:RateConsumer",
    "simulated_germanium": "narval.actors.simulated_germanium:SimulatedGermanium",
    "simulated_digitiser": "narval.actors.simulated_digitiser:SimulatedDigitiser",
    "event_builder": "narval.actors.event_builder:EventBuilder",
    "histogrammer": "narval.actors.histogrammer:Histogrammer",
    "file_writer": "narval.actors.file_writer:FileWriter",
    "file_reader": "narval.actors.file_reader:FileReader",
}


class NotInstalledError(NarvalError):
    """A program that needs what is not installed on this host."""


def make_plugin(binary_code: str) -> Plugin:
    """Return what an actor of this program does.

    Raises:
        NotInstalledError: what it needs is not here.
        NarvalError: no such program.
    """
    place = CATALOGUE.get(binary_code)
    if place is None:
        close = difflib.get_close_matches(binary_code, CATALOGUE, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        known = ", ".join(CATALOGUE)
        raise NarvalError(f"there is no program {binary_code[:60]!r}{guess} (known: {known})")
    module, _, name = place.partition(":")
    try:
        kind: type[Plugin] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            f"{binary_code} needs {error.name}, which is not installed: "
            "pip install 'narval-stack[notebook]'"
        ) from error
    return kind()
