"""The state machine of a sub-system: which action is allowed in which state, and where it leads. Pure.

Certain are the names of states and actions. Two targets are our choice (`Choices`), for the sources
do not give them; docs say so, and a site may choose otherwise.

ref: NARVAL wiki, "Narval_Shell_Commands"; the Narval School's notes, "traitement narval".
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from narval.errors import NarvalError


class State(StrEnum):
    """What a sub-system, or an actor of it, is in."""

    FINISHED = "Finished"
    INITIAL = "Initial"
    CONFIGURED = "Configured"
    LOADED = "Loaded"
    STOPPED = "Stopped"
    RUNNING = "Running"
    PAUSED = "Paused"
    ERROR = "Error"  # ours: an actor has died or refused; `reset_com` and `unconfigure` lead out


class Action(StrEnum):
    """What can be asked of a sub-system."""

    LAUNCH = "launch"
    CONFIGURE = "configure"
    LOAD = "load"
    INITIALISE = "initialise"
    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    RESET_COM = "reset_com"
    UNLOAD = "unload"
    UNCONFIGURE = "unconfigure"
    FINISH = "finish"


@dataclass(frozen=True)
class Choices:
    """What the sources leave open."""

    initialised: State = State.STOPPED
    """Where `initialise` leads."""
    reset: State = State.LOADED
    """Where `reset_com` leads."""


Transitions = Mapping[tuple[State, Action], State]


class ActionRefusedError(NarvalError):
    """An action that is not allowed now; says why and what is."""

    def __init__(self, action: Action, state: State, allowed: tuple[Action, ...]) -> None:
        self.action = action
        self.state = state
        self.allowed = allowed
        names = ", ".join(allowed) or "nothing"
        super().__init__(f"{action} is not allowed in state {state}; allowed: {names}")


def make_transitions(choices: Choices | None = None) -> Transitions:
    """Return where each allowed action leads."""
    chosen = choices or Choices()
    return {
        (State.FINISHED, Action.LAUNCH): State.INITIAL,
        (State.INITIAL, Action.CONFIGURE): State.CONFIGURED,
        (State.INITIAL, Action.FINISH): State.FINISHED,
        (State.CONFIGURED, Action.LOAD): State.LOADED,
        (State.CONFIGURED, Action.UNCONFIGURE): State.INITIAL,
        (State.LOADED, Action.INITIALISE): chosen.initialised,
        (State.LOADED, Action.UNLOAD): State.CONFIGURED,
        (State.STOPPED, Action.START): State.RUNNING,
        (State.STOPPED, Action.RESET_COM): chosen.reset,
        (State.RUNNING, Action.STOP): State.STOPPED,
        (State.RUNNING, Action.PAUSE): State.PAUSED,
        (State.PAUSED, Action.RESUME): State.RUNNING,
        (State.PAUSED, Action.STOP): State.STOPPED,
        (State.ERROR, Action.RESET_COM): chosen.reset,
        # Ours: a plugin that can never be loaded must not hold a sub-system for ever.
        (State.ERROR, Action.UNCONFIGURE): State.INITIAL,
    }


def allowed_actions(state: State, transitions: Transitions) -> tuple[Action, ...]:
    """Return what may be asked in a state, in the order of `Action`."""
    return tuple(action for action in Action if (state, action) in transitions)


def next_state(state: State, action: Action, transitions: Transitions) -> State:
    """Return where the action leads.

    Raises:
        ActionRefusedError: it is not allowed in this state.
    """
    try:
        return transitions[state, action]
    except KeyError:
        raise ActionRefusedError(action, state, allowed_actions(state, transitions)) from None
