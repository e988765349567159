"""The agent: messages from the host in, seeds applied one after the other, answers out."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vmlab_guest import __version__
from vmlab_guest.activity import Activity
from vmlab_guest.apply import Courses, PhaseError, apply_seed, is_seeded
from vmlab_guest.clock import Clock
from vmlab_guest.commands import Commands
from vmlab_guest.errors import AgentError
from vmlab_guest.home import Home
from vmlab_guest.identity import is_parked
from vmlab_guest.idle import answer_idle, set_warning
from vmlab_guest.keys import change_keys
from vmlab_guest.language import change_language
from vmlab_guest.link import Link
from vmlab_guest.park import park, warm
from vmlab_guest.server import ServerState, read_state
from vmlab_guest.serving.serve import serve
from vmlab_guest.shares.follow import Follower
from vmlab_guest.system import System, inside
from vmlab_guest.threads import attempt, describe, persist
from vmlab_guest.trouble import TROUBLE, read_trouble
from vmlab_guest.volume import VOLUME_REQUESTS, work_on_volume
from vmlab_guest.watch import Watch
from vmlab_protocol.commands import parse_run
from vmlab_protocol.errors import FormatError
from vmlab_protocol.messages import (
    ANSWERS,
    PORT_NAME,
    GuestMessageType,
    HostMessageType,
    Reason,
    clean_text,
)
from vmlab_protocol.outside import load_json
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed_reader import SeedError, parse_seed, parse_time

_KINDS = frozenset(HostMessageType)
_Works = queue.Queue[Callable[[], None]]


class Agent:
    """Answers one port.

    Everything else is done in a thread of its own, so that `status` is answered at any time.

    Args:
        fd: the open port; belongs to the agent.
    """

    def __init__(self, system: System, courses: Courses, fd: int) -> None:
        self._system = system
        self._courses = courses
        self._work: _Works = queue.Queue(maxsize=10)
        self._work_beside: _Works = queue.Queue(maxsize=10)
        self._is_served = True
        self._home = Home(system)
        self._commands = Commands(system.log)
        self._share = Follower(system)
        # Since the seed:
        self._activity: Activity | None = None
        self._clock: Clock | None = None
        self._watch: Watch | None = None
        self._link = Link(fd, self._on_line, self._send_status)

    def serve(self) -> None:
        """Answer until the port is unplugged or `close` is called.

        Raises:
            OSError: the port failed.
        """
        for name, work in (("work", self._work), ("beside", self._work_beside)):
            threading.Thread(target=self._do, args=(work,), name=name, daemon=True).start()
        try:
            self._link.serve()
        finally:
            self._end_work()

    def recover(self) -> None:
        """Take up what an agent that ended before this one left half done."""
        self._home.recover()
        self._begin_work()
        self._share.recover()

    def close(self) -> None:
        """Make `serve` return; from any thread."""
        if self._watch:
            self._watch.stop()
        self._link.close()

    def _do(self, works: _Works) -> None:
        while self._is_served:
            attempt(self._system.log, "a request", works.get())

    def _end_work(self) -> None:
        """Have the threads end after what they do now: nobody would hear of what comes then."""
        self._is_served = False
        for works in (self._work, self._work_beside):
            with contextlib.suppress(queue.Full):  # then its thread does not wait for more
                works.put_nowait(lambda: None)

    def _on_line(self, line: bytes) -> None:
        # In the thread of `serve`: no line may end it.
        attempt(self._system.log, "a line", lambda: self._take_line(line))

    def _take_line(self, line: bytes) -> None:
        received_ns = self._system.monotonic_ns()
        try:
            message = load_json(line)
            said = str(message["type"])
        except (ValueError, KeyError, TypeError) as error:
            # Nothing of the line is shown: it may be a damaged seed.
            self._system.log(f"a line of {len(line)} bytes is invalid: {type(error).__name__}")
            return
        if said not in _KINDS:
            self._system.log(f"unknown message {said[:40]!r}")
            return
        match kind := HostMessageType(said):
            case HostMessageType.STATUS:
                self._send_status()
            case HostMessageType.SEED:
                self._enqueue(lambda: self._apply(message.get("seed"), received_ns))
            case HostMessageType.PARK:
                self._enqueue(lambda: self._prepare(park, kind))
            case HostMessageType.WARM:
                self._enqueue(lambda: self._prepare(warm, kind))
            case HostMessageType.TIME:
                self._set_clock(message.get("time_ns"), received_ns)
            case HostMessageType.RUN:
                self._run(message)
            case HostMessageType.POWEROFF:
                threading.Thread(target=self._power_off, name="poweroff", daemon=True).start()
            case _:
                self._enqueue_beside(kind, message)

    def _send_status(self) -> None:
        seeded = is_seeded(self._system)
        state = ServerState.STOPPED
        if seeded:  # systemd is asked only when there can be anything to tell
            try:
                state = read_state(self._system)
            except AgentError as error:
                # A busy systemd says nothing of the server; the next look does.
                self._system.log(f"status: {error}")
                state = ServerState.STARTING
        self._link.send(
            {
                "type": GuestMessageType.STATUS,
                "agent": __version__,
                "seeded": seeded,
                "parked": is_parked(self._system),
                "server": state.value,
                **self._describe_trouble(),
            }
        )

    def _describe_trouble(self) -> dict[str, object]:
        trouble = read_trouble(inside(self._system, str(TROUBLE)))
        return {"trouble": trouble.to_json()} if trouble else {}

    def _set_clock(self, time_ns: object, received_ns: int) -> None:
        """Put the clock right when the host says what time it is: the machine stood still."""
        try:
            right_ns = parse_time(time_ns, "time_ns")
            moved_s = self._clock.set_right(right_ns, received_ns) if self._clock else 0.0
        except (SeedError, OSError) as error:
            self._send_error(Phase.VOLUME, f"time: {error}")
        else:
            self._link.send({"type": GuestMessageType.TIMED, "moved_s": round(moved_s, 1)})

    def _run(self, message: dict[str, Any]) -> None:
        """Have a command run, or tell how it goes; at once, whatever else is done."""
        if not is_seeded(self._system):
            self._send_error(Phase.VOLUME, "run: this machine belongs to nobody yet")
            return
        try:
            report = self._commands.answer(parse_run(message))
        except FormatError as error:
            self._send_error(Phase.VOLUME, str(error))
        else:
            self._link.send({"type": GuestMessageType.RAN, **report.to_json()})

    def _enqueue(self, work: Callable[[], None]) -> None:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            self._send_error(Phase.IDENTITY, "too many messages wait to be handled")

    def _enqueue_beside(self, kind: HostMessageType, message: dict[str, Any]) -> None:
        """Have it done beside seeds: a home that is frozen must be thawed in time."""
        try:
            self._work_beside.put_nowait(lambda: self._answer_beside(kind, message))
        except queue.Full:
            self._send_error(Phase.VOLUME, "too many messages wait to be handled")

    def _answer_beside(self, kind: HostMessageType, message: dict[str, Any]) -> None:
        try:
            if kind in VOLUME_REQUESTS:
                answer = work_on_volume(self._system, self._home, kind, message)
            elif kind is HostMessageType.LANGUAGE:
                answer = change_language(self._system, message)
            elif kind is HostMessageType.SERVE:
                answer = serve(self._system, message)
            elif kind is HostMessageType.KEYS:
                answer = change_keys(self._system, message)
            else:
                answer = answer_idle(self._system, self._activity, kind, message)
                answer |= self._describe_trouble()
            self._link.send(answer)
        except (AgentError, OSError, ValueError) as error:
            self._send_error(Phase.VOLUME, f"{kind}: {error}")
        except Exception as error:  # noqa: BLE001 - the host waits for an answer
            self._send_error(Phase.VOLUME, f"{kind}: a bug in the agent: {describe(error)}")

    def _prepare(self, prepare: Callable[[System], None], kind: HostMessageType) -> None:
        if is_seeded(self._system):
            self._send_error(Phase.BOOT, "this machine is somebody's already")
            return
        try:
            prepare(self._system)
        except Exception as error:  # noqa: BLE001 - the host waits for an answer
            self._send_error(Phase.BOOT, describe(error))
        else:
            self._system.announce(ANSWERS[kind].value)
            self._link.send({"type": ANSWERS[kind]})
            if is_parked(self._system):
                self._link.rest()

    def _apply(self, value: Any, received_ns: int) -> None:
        try:
            seed = parse_seed(value)
            apply_seed(self._system, seed, received_ns, self._courses, self._report_phase)
        except SeedError as error:
            self._send_error(Phase.IDENTITY, str(error))
        except PhaseError as error:
            self._send_error(error.phase, str(error), error.reason)
        except Exception as error:  # noqa: BLE001 - root of a thread: the next seed must find it
            self._send_error(Phase.IDENTITY, f"a bug in the agent: {describe(error)}")
        else:
            self._begin_work()
            set_warning(self._system, 0)
            attempt(self._system.log, "the file server", lambda: self._share.follow(seed.share))
            self._system.announce("seeded")
            self._link.send({"type": GuestMessageType.SEEDED})

    def _begin_work(self) -> None:
        """Look after the machine from now on: it is somebody's."""
        self._activity = Activity(self._system.monotonic_ns() / 1e9)
        self._clock = Clock(self._system)
        if self._watch:
            self._watch.stop()
        self._watch = Watch(self._system, self._clock)
        self._watch.start()

    def _report_phase(self, phase: Phase) -> None:
        self._system.announce(f"phase {phase.value}")
        self._link.send({"type": GuestMessageType.PHASE, "phase": phase.value})

    def _send_error(self, phase: Phase, message: str, reason: Reason | None = None) -> None:
        text = clean_text(message)
        self._system.announce(f"phase {phase.value} failed: {text}")
        error = {"type": GuestMessageType.ERROR, "phase": phase.value, "message": text}
        self._link.send(error | ({"reason": reason.value} if reason else {}))

    def _power_off(self) -> None:
        self._system.announce("powering off")
        # Each is tried even if another one failed: the machine must power off.
        attempt(self._system.log, "poweroff, file server", self._share.leave)
        attempt(self._system.log, "poweroff, thaw", self._home.thaw)
        attempt(self._system.log, "poweroff, sync", self._system.sync)
        words = ("systemctl", "poweroff", "--no-block")
        persist(self._system.log, self._system.pause, "poweroff", lambda: self._system.run(*words))


def find_port(system: System, name: str = PORT_NAME) -> Path | None:
    """Return the device of the named virtio-serial port, or None while there is none.

    Reads /sys instead of /dev/virtio-ports: the kernel makes the device at once, udev's link
    comes seconds later in a cold boot.
    """
    ports = inside(system, "/sys/class/virtio-ports")
    for folder in sorted(ports.iterdir()) if ports.is_dir() else ():
        try:
            found = (folder / "name").read_text(encoding="utf-8").strip()
        except OSError:
            continue  # unplugged while we looked
        device = inside(system, "/dev") / folder.name
        if found == name and device.exists():
            return device
    return None
