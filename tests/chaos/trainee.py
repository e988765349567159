"""A trainee's deeds, and the faults that meet their machine."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import requests

from chaos.ground import MISSED, Ground, vmlab_command, wait
from chaos.journal import Journal
from chaos.plan import Deed, Step
from fakes.benches import kill_all
from vm.desk import Desk
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.volumes.thinning import MAX_MANUAL
from vmlab_protocol.phases import Phase
from vmlab_protocol.snapshots import Reason

START_LIMIT_S = 900.0
STOP_LIMIT_S = 420.0  # a hub that was killed asks for 60 s whether an old server answers
WRITE_LIMIT_S = 15.0
WORK_S = 15.0
PAUSE_S = 20.0
COMMAND_S = 2.0  # of the command line, until one was timed


class Trainee:
    """One trainee: what they do never fails for long, whatever is killed around them."""

    def __init__(self, ground: Ground, user: str) -> None:
        self.ground = ground
        self.user = user
        self.desk = Desk(ground.hub, user, ground.cache)
        self.journal = Journal(self.desk, ground.records)
        self._command_s = COMMAND_S
        self._deeds: dict[Deed, Callable[[Step], str]] = {
            Deed.WORK: self._work,
            Deed.STOP: lambda _: self.stop(),
            Deed.CANCEL: self._cancel,
            Deed.RENEW: self._renew,
            Deed.SNAPSHOT: lambda _: self._snapshot(),
            Deed.RESTORE: self._restore,
            Deed.KILL_QEMU: self._kill_qemu,
            Deed.KILL_AT_STAGE: self._kill_at_stage,
            Deed.KILL_AGENT: self._kill_agent,
            Deed.KILL_COMMAND: self._kill_command,
            Deed.LOSE_LINK: self._lose_link,
            Deed.JUMP_CLOCK: self._jump_clock,
        }

    def do(self, step: Step) -> None:
        """Do it, and note how it went."""
        self.ground.do(self.user, step, self._deeds)

    # -- the server ----------------------------------------------------------------------------

    def _model(self) -> dict:
        """The hub's model of the server; empty without one, {"unknown": ...} without a hub."""
        answer = self.ground.api("GET", f"users/{self.user}")
        if answer is None or not answer.ok:
            return {"unknown": True}
        return answer.json().get("servers", {}).get("", {})

    def start(self) -> str:
        """Start the machine, as often as it takes; return when it is ready and writes."""

        def is_at_work() -> bool:
            if not self._is_ready():
                return False
            known = len(self.journal.acknowledged())
            self.journal.begin()
            wait(lambda: not self.journal.writes or self._wrote(known), WRITE_LIMIT_S)
            return self._wrote(known)

        if not wait(is_at_work, START_LIMIT_S):
            self.ground.blame(f"{self.user}: no work after {START_LIMIT_S:.0f} s\n{self._end()}")
            return "never ready"
        return "done"

    def _wrote(self, known: int) -> bool:
        return len(self.journal.acknowledged()) > known

    def _is_ready(self) -> bool:
        model = self._model()
        if model.get("ready") and not model.get("pending"):
            return True
        if not model:
            self._ask_for_start()
        return False

    def _ask_for_start(self) -> None:
        answer = self.ground.api("POST", f"users/{self.user}/server")
        if answer is None or not answer.ok:
            time.sleep(1)  # as somebody who reads the answer before the next try

    def stop(self) -> str:
        """Stop the machine; return when the hub has forgotten it."""
        self.desk.forget_connection()

        def is_stopped() -> bool:
            model = self._model()
            if model and not model.get("unknown") and model.get("pending") != "stop":
                self.ground.api("DELETE", f"users/{self.user}/server")
            return not model

        if not wait(is_stopped, STOP_LIMIT_S):
            self.ground.blame(f"{self.user}: not stopped after {STOP_LIMIT_S:.0f} s")
            return "never stopped"
        return "done"

    def _end(self) -> str:
        log = self.ground.hub.log.read_text(errors="replace")[-3000:]
        try:
            return f"{log}\n{self.desk.console()[-2000:]}"
        except (OSError, RuntimeError) as error:
            return f"{log}\n(no console: {error})"

    # -- work ----------------------------------------------------------------------------------

    def _work(self, step: Step) -> str:
        outcome = self.start()
        time.sleep(WORK_S * step.chance)
        return outcome

    def _start_until(self, stage: Phase) -> bool:
        """Begin a start and return when this stage begins; False when it was over before."""
        self.stop()
        self._ask_for_start()
        try:
            answer = self.ground.hub.api("GET", f"users/{self.user}/server/progress", stream=True)
            for line in map(str, answer.iter_lines(decode_unicode=True)):
                if line.startswith("data:") and json.loads(line[5:]).get("phase") == stage:
                    return True
        except (requests.RequestException, ValueError):
            pass  # the hub was killed, or nothing was heard for a while: so it is cut here
        return False

    def _cancel(self, step: Step) -> str:
        reached = self._start_until(step.stage)
        outcome = self.stop()
        return f"{outcome}, at {step.stage}" if reached else f"{outcome}, not at {step.stage}"

    def _renew(self, _: Step) -> str:
        self.start()
        self.desk.forget_connection()
        token = wait(self._token, 120)
        answer = self.ground.api("POST", f"vmlab/machines/{self.user}/renew", token=token or "")
        told = "no answer" if answer is None else "" if answer.ok else answer.text[:100]
        wait(self._is_renewed, STOP_LIMIT_S)
        self.start()
        return told or "done"

    def _is_renewed(self) -> bool:
        """Whether no renewal is under way; a hub that was killed has forgotten about it."""
        answer = self.ground.api("GET", f"vmlab/machines/{self.user}/renew")
        if answer is None or not answer.ok:
            return False  # the proxy's word while the hub is away
        return answer.json().get("stage") not in {"stopping", "aside", "alone"}

    def _token(self) -> str | None:
        answer = self.ground.api("POST", f"users/{self.user}/tokens", json={"expires_in": 120})
        return str(answer.json()["token"]) if answer is not None and answer.ok else None

    def _snapshot(self) -> str:
        ids = self._manual_snapshots()
        if len(ids) >= MAX_MANUAL:
            self.ground.vmlab("volume", "snapshot", self.user, "--delete", min(ids))
        return _told(self.ground.vmlab("volume", "snapshot", self.user))

    def _manual_snapshots(self) -> list[str]:
        shown = self.ground.vmlab("volume", "show", self.user, "--json")
        if shown.returncode:
            return []  # there is no volume yet, or no room to look: what comes next says so
        ids = [snapshot["id"] for snapshot in json.loads(shown.stdout)["snapshots"]]
        return [name for name in ids if name.startswith(f"{Reason.MANUAL}-")]

    def _restore(self, _: Step) -> str:
        self.stop()
        self.journal.end()
        ids = self._manual_snapshots()
        if not ids:
            return "there is no snapshot"
        # Noted first: a restore that was cut may have happened.
        self.journal.was_restored()
        return _told(self.ground.vmlab("volume", "restore", self.user, max(ids), "--yes"))

    # -- faults --------------------------------------------------------------------------------

    def _qemu(self) -> list[psutil.Process]:
        return [p for p in find_processes(self.desk.folder) if _is_qemu(p)]

    def _kill_qemu(self, step: Step) -> str:
        self.start()
        time.sleep(3 * step.chance)
        kill_all(found := self._qemu())
        psutil.wait_procs(found, 10)
        return f"{'' if found else MISSED}{len(found)} killed; then {self.start()}"

    def _kill_at_stage(self, step: Step) -> str:
        reached = self._start_until(step.stage)
        kill_all(found := find_processes(self.desk.folder))
        psutil.wait_procs(found, 10)
        where = f"{'at' if reached else 'not at'} {step.stage}"
        return f"{'' if found else MISSED}{len(found)} killed {where}; then {self.start()}"

    def _kill_agent(self, _: Step) -> str:
        self.start()
        done = self._in_machine(
            "sudo kill -9 $(systemctl show --property MainPID --value vmlab-agent)"
        )
        return f"{done}; snapshot: {self._snapshot()}"

    def _jump_clock(self, step: Step) -> str:
        """The machine stands still for a while, or its clock is set to another day."""
        self.start()
        if step.chance < 0.5:
            with _paused(self._qemu()):
                time.sleep(PAUSE_S)
            return "stood still"
        return self._in_machine(f"sudo date -s '{'+' if step.chance > 0.75 else '-'}1 day'")

    def _in_machine(self, command: str) -> str:
        try:
            self.desk.run(command)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"{MISSED}{str(error).splitlines()[0]}"
        return "done"

    def _lose_link(self, step: Step) -> str:
        """Somebody else holds the host's end of the virtio-serial port."""
        self.start()
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            try:
                link.connect(str(self.desk.folder.agent))
            except OSError as error:
                return f"{MISSED}no link to take: {error}"
            told = self._snapshot()
        return f"snapshot meanwhile: {told}; afterwards: {self._snapshot()}"

    def _kill_command(self, step: Step) -> str:
        words: tuple[str, ...] = ("volume", "snapshot", self.user)
        if step.chance > 0.5:
            target = self.ground.records / f"export-{self.user}-{time.monotonic_ns()}.qcow2"
            words = ("volume", "export", self.user, str(target))
        process = subprocess.Popen(
            vmlab_command(*words),
            env=self.ground.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        began = time.monotonic()
        try:
            process.wait(self._command_s * step.chance)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        took_s = time.monotonic() - began
        if process.returncode == -signal.SIGKILL:
            return f"{words[1]} killed after {took_s:.1f} s"
        self._command_s = took_s  # so that the next one is met at its work
        return f"{MISSED}{words[1]} was through after {took_s:.1f} s"


@contextmanager
def _paused(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


def _is_qemu(process: psutil.Process) -> bool:
    """Tell QEMU from its shim; QEMU gives its process another name."""
    try:
        return "qemu-system" in process.cmdline()[0]
    except (psutil.NoSuchProcess, IndexError):
        return False


def _told(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return "done"
    words = " ".join(done.stderr.replace("│", " ").split())
    return f"refused: {words[:160]}"
