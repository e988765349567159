"""Run control: what a sub-system is in, what it may be asked for, and what needs a look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Protocol

import ipywidgets

from narval.client import SubSystemStatus
from narval.control.log_record import LogRecord
from narval.errors import NarvalError
from narval.notebook.alarms import AlarmWatch
from narval.notebook.html import make_actors_table, make_alarms, make_log, make_sentence
from narval.notebook.live import Live, one_sentence
from narval.notebook.words import Language, find_language, phrase
from narval.states import Action, State

_LOG_LINES = 8

ACTIONS = tuple(action for action in Action if action is not Action.LAUNCH)
"""What has a button; launching is the shell's."""


class Controlled(Protocol):
    """What is asked of a sub-system: `narval.client` has it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def act(self, action: Action) -> State:
        """Ask for an action and wait until it is done."""
        ...

    def status(self) -> SubSystemStatus:
        """Return its state, and the status of each actor."""
        ...

    def log(self, last: int = 100) -> Sequence[LogRecord]:
        """Return the last log lines."""
        ...


class RunControl(ipywidgets.VBox):  # type: ignore[misc]
    """Buttons for the actions that the state allows; rates, buffers, alarms and log below.

    Args:
        period_s: from one look to the next.
        live: whether it looks again and again; else `refresh` looks once.
    """

    def __init__(
        self,
        sub_system: Controlled,
        *,
        language: Language | None = None,
        period_s: float = 1.0,
        live: bool = True,
    ) -> None:
        self._sub_system = sub_system
        self._language = language or find_language()
        self._watch = AlarmWatch()
        self.state, self.actors, self.alarms, self.log_lines, self.answer = (
            ipywidgets.HTML() for _ in range(5)
        )
        self.buttons = {action: self._make_button(action) for action in ACTIONS}
        row = ipywidgets.HBox(list(self.buttons.values()))
        row.layout.flex_flow = "row wrap"
        super().__init__([self.state, row, self.answer, self.alarms, self.actors, self.log_lines])
        self._live = Live(self.refresh, self._tell_failure, period_s)
        if live:
            self._live.start()

    def refresh(self) -> None:
        """Look once and show what is there.

        Raises:
            NarvalError: the sub-system cannot be asked.
        """
        status = self._sub_system.status()
        actors = {each["name"]: each for each in status.actors}
        allowed = () if status.under_way else status.allowed
        for action, button in self.buttons.items():
            button.disabled = action not in allowed
        self.state.value = self._describe(status.state, status.run_number, status.under_way)
        alarms = self._watch.look(status.error, actors, time.monotonic())
        self.alarms.value = make_alarms(alarms, self._language)
        self.actors.value = make_actors_table(self._sub_system.name, actors, self._language)
        self.log_lines.value = make_log(self._sub_system.log(last=_LOG_LINES), self._language)

    def close(self) -> None:
        """Stop looking; and no longer be shown."""
        self._live.stop()
        super().close()

    def _act(self, action: Action) -> None:
        for button in self.buttons.values():
            button.disabled = True  # one action at a time
        self._answer("under_way", action=action)
        try:
            self._sub_system.act(action)
        except (NarvalError, OSError) as error:
            self._answer("failed", error=one_sentence(error))
        else:
            self._answer("done", action=action)
        self._live.once()

    def _make_button(self, action: Action) -> ipywidgets.Button:
        tooltip = phrase("button_help", self._language, action=action)
        button = ipywidgets.Button(description=action, tooltip=tooltip, disabled=True)
        button.layout.width = "auto"
        button.on_click(lambda _: self._act(action))
        return button

    def _describe(self, state: State, run_number: int | None, under_way: str | None) -> str:
        say = self._phrase
        run = say("no_run") if run_number is None else str(run_number)
        words = say("status", state=f"<strong>{escape(state)}</strong>", run=escape(run))
        more = f" · {escape(say('under_way', action=under_way))}" if under_way else ""
        return f'<div role="status" lang="{self._language}">{words}{more}</div>'

    def _answer(self, name: str, /, **facts: object) -> None:
        self.answer.value = make_sentence(self._phrase(name, **facts))

    def _tell_failure(self, sentence: str) -> None:
        for button in self.buttons.values():
            button.disabled = True
        self.state.value = make_sentence(self._phrase("failed", error=sentence))

    def _phrase(self, name: str, /, **facts: object) -> str:
        return phrase(name, self._language, **facts)
