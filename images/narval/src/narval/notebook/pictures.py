"""The picture of a topology with what its actors do at the moment."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import ipywidgets

from narval.client import SubSystemStatus
from narval.notebook.html import make_sentence
from narval.notebook.live import Live
from narval.notebook.words import Language, find_language, phrase
from narval.states import State
from narval.topology.model import Topology
from narval.topology.picture import draw_topology
from narval.topology.read import parse_topology, read_topology


class Watched(Protocol):
    """What is asked of a sub-system: `narval.client.SyncSubSystem` has it."""

    def status(self) -> SubSystemStatus:
        """Return its state, and the status of each actor."""
        ...

    def topology(self) -> str:
        """Return the text of the topology that it is configured with."""
        ...


def show_topology(file: Path | str) -> ipywidgets.HTML:
    """Return the picture of a topology that need not run.

    Raises:
        TopologyError: the file cannot be used; names every mistake.
    """
    return ipywidgets.HTML(draw_topology(read_topology(Path(file))))


class TopologyPicture(ipywidgets.VBox):  # type: ignore[misc]
    """Shows the actors and links of a sub-system with states, rates and how full buffers are.

    Args:
        period_s: from one look to the next.
        live: whether it looks again and again; else `refresh` looks once.
    """

    def __init__(
        self,
        sub_system: Watched,
        *,
        language: Language | None = None,
        period_s: float = 1.0,
        live: bool = True,
    ) -> None:
        self._sub_system = sub_system
        self._language = language or find_language()
        self._known: tuple[str, Topology] | None = None
        self.picture, self.answer = ipywidgets.HTML(), ipywidgets.HTML()
        super().__init__([self.picture, self.answer])
        self._live = Live(self.refresh, self._tell_failure, period_s)
        if live:
            self._live.start()

    def refresh(self) -> None:
        """Look once and draw what is there.

        Raises:
            NarvalError: the sub-system cannot be asked.
        """
        status = self._sub_system.status()
        if status.state in {State.INITIAL, State.FINISHED}:
            self.picture.value = ""
            self.answer.value = make_sentence(phrase("not_configured", self._language))
            return
        actors = {each["name"]: each for each in status.actors}
        topology = self._parse(self._sub_system.topology(), status.configuration_file)
        self.picture.value = draw_topology(topology, actors)
        self.answer.value = ""

    def close(self) -> None:
        """Stop looking; and no longer be shown."""
        self._live.stop()
        super().close()

    def _parse(self, text: str, file: str) -> Topology:
        if self._known is None or self._known[0] != text:
            self._known = text, parse_topology(text.encode(), file)
        return self._known[1]

    def _tell_failure(self, sentence: str) -> None:
        self.answer.value = make_sentence(phrase("failed", self._language, error=sentence))
