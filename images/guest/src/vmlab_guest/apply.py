"""Applying a seed: the phases in their order, each reported as it begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Protocol

from vmlab_guest.errors import AgentError, HomeAwayError
from vmlab_guest.files import ensure_file
from vmlab_guest.filling import FULL_AT_START
from vmlab_guest.identity import JOURNAL_UNIT, apply_identity
from vmlab_guest.keys import SSH_UNIT, apply_keys
from vmlab_guest.language import apply_language
from vmlab_guest.mounts import apply_mounts
from vmlab_guest.network import apply_network
from vmlab_guest.notices import apply_notices
from vmlab_guest.reserve import was_full
from vmlab_guest.server import launch, own_server
from vmlab_guest.server_request import RUNTIME, serves
from vmlab_guest.serving.serve import resume_serving
from vmlab_guest.shares.home import mount_home
from vmlab_guest.shares.null_call import Ask, answers
from vmlab_guest.system import RUN, System, inside
from vmlab_guest.threads import attempt, persist
from vmlab_guest.udev import release_events
from vmlab_protocol.messages import Reason
from vmlab_protocol.outside import load_json
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed import Seed

_SERVER_FIRST_S = 60.0  # software emulation
_POLL_S = 0.25
_FIRST_ANSWERS_S = 1.0  # to the hub, and the first page


class PhaseError(AgentError):
    """A phase failed; carries which, and a reason that the trainee is told."""

    def __init__(self, phase: Phase, message: str, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.phase = phase
        self.reason = reason


class Courses(Protocol):
    """What the sequence needs of the delivery of courses."""

    def follow(self, env: dict[str, str]) -> None:
        """Deliver what the hub of this environment publishes, in the background.

        Returns at once and never fails: a lab without exercises is still a lab.
        """
        ...


def apply_seed(
    system: System,
    seed: Seed,
    received_ns: int,
    courses: Courses,
    report: Callable[[Phase], None],
    ask: Ask = answers,
) -> None:
    """Make the machine as the seed says and launch the server, if it has one.

    Applying a seed again, or another one, changes only what differs.

    Args:
        received_ns: `System.monotonic_ns` when the seed arrived.
        report: told each phase as it begins.
        ask: whether a file server answers.

    Raises:
        PhaseError: a phase failed; later ones were not begun.
    """
    restart: list[str] = []

    def identify() -> None:
        if apply_identity(system, seed, received_ns):
            restart.append(JOURNAL_UNIT)

    def lock() -> None:
        if apply_keys(system, seed):
            restart.append(SSH_UNIT)

    def mount_and_tell() -> None:
        apply_mounts(system, seed.mounts)
        if seed.share and seed.share.is_home:
            mount_home(system, seed.share, ask)
        resume_serving(system)
        apply_language(system, seed.language)
        told = (*seed.notices, *([FULL_AT_START] if was_full(system) else []))
        apply_notices(system, told)

    steps: dict[Phase, Callable[[], None]] = {
        Phase.IDENTITY: identify,
        Phase.KEYS: lock,
        Phase.NETWORK: lambda: apply_network(system, seed.network, seed.event),
        Phase.MOUNTS: mount_and_tell,
    }
    if server := own_server(seed):
        steps |= {
            Phase.EXERCISES: lambda: courses.follow(server.env),
            Phase.SERVER: lambda: launch(system, server),
        }
    for phase, step in steps.items():
        report(phase)
        try:
            step()
        except (AgentError, OSError, ValueError) as error:
            release_events(system)
            reason = Reason.HOME_AWAY if isinstance(error, HomeAwayError) else None
            raise PhaseError(phase, f"{type(error).__name__}: {error}", reason) from error
    _remember(system, server.env if server else {})
    system.in_background(lambda: _finish(system, restart, has_server=server is not None))


def wait_for_server(system: System) -> None:
    """Return when the server serves, or after a while: what can wait leaves it the processor."""
    runtime = inside(system, str(RUNTIME))
    system.wait_for(lambda: serves(runtime) or None, _SERVER_FIRST_S, _POLL_S)
    system.wait_for(lambda: None, _FIRST_ANSWERS_S, _FIRST_ANSWERS_S)


def _finish(system: System, restart: list[str], *, has_server: bool) -> None:
    """Start what nobody waits for as long as the server is not there."""

    def insist(what: str, work: Callable[[], object]) -> None:
        persist(system.log, system.pause, what, work)

    if has_server:
        attempt(system.log, "waiting for the server", lambda: wait_for_server(system))
    insist("held back events", lambda: release_events(system))
    verbs = {SSH_UNIT: "start", **dict.fromkeys(restart, "restart")}
    for unit, verb in verbs.items():  # a unit that systemd refuses does not affect the others
        insist(f"{verb} of {unit}", partial(system.run, "systemctl", verb, "--no-block", unit))


def is_seeded(system: System) -> bool:
    """Return whether a seed was applied since the machine was switched on."""
    return (system.root / RUN / "seeded.json").exists()


def read_hub_env(system: System) -> dict[str, str]:
    """Return how to reach the hub after the agent itself was restarted; empty if unknown."""
    try:
        env = load_json((system.root / RUN / "seeded.json").read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(env, dict):
        return {}
    return {str(name): str(value) for name, value in env.items()}


def _remember(system: System, env: dict[str, str]) -> None:
    names = ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN")
    text = json.dumps({name: env[name] for name in names if name in env})
    ensure_file(system.root / RUN / "seeded.json", text, 0o600)
