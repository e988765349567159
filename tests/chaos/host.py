"""Faults that meet everybody: the hub, the proxy, the host's disk."""

from __future__ import annotations

import os
import shutil
import signal
import time

import psutil

from chaos.ground import MISSED, Event, Ground, wait
from chaos.plan import Deed, Step
from hub.running_hub import HubFailedError
from vmlab.hub.proxy import find_proxy

BACK_LIMIT_S = 180.0
FULL_S = 12.0


class Host:
    """The machine that the lab runs on, and who looks after it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._deeds = {
            Deed.KILL_HUB: lambda _: self._restart(signal.SIGKILL),
            Deed.RESTART_HUB: lambda _: self._restart(signal.SIGTERM),
            Deed.KILL_PROXY: self._kill_proxy,
            Deed.FILL_DISK: self._fill_disk,
        }

    def do(self, step: Step) -> None:
        """Do it, and note how it went."""
        self.ground.do("host", step, self._deeds)

    def _restart(self, sig: signal.Signals) -> str:
        """End the hub and start it again, as systemd does."""
        self.ground.hub.stop(sig)
        for _ in range(3):
            try:
                self.ground.hub.start()
            except HubFailedError as error:
                self.ground.note(
                    Event(
                        time.monotonic() - self.ground.began,
                        "host",
                        "start of the hub",
                        str(error)[-300:],
                        0.0,
                    )
                )
            else:
                return "done"
        self.ground.blame("the hub does not start any more")
        return "never back"

    def _kill_proxy(self, _: Step) -> str:
        pid = find_proxy(self.ground.hub.folder / "proxy.pid")
        if pid is None:
            return f"{MISSED}there is no proxy"
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 5)
        return self._await_hub()

    def _fill_disk(self, _: Step) -> str:
        filler = self.ground.hub.folder / "filler"
        free = shutil.disk_usage(self.ground.hub.folder).free
        try:
            with filler.open("wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, free)
                except OSError:  # somebody was faster: what is left is little
                    self._write_until_full(file.fileno())
            time.sleep(FULL_S)
        finally:
            filler.unlink()
        return self._await_hub()

    @staticmethod
    def _write_until_full(descriptor: int) -> None:
        try:
            while os.write(descriptor, b"\0" * 65536):
                pass
        except OSError:
            return

    def _await_hub(self) -> str:
        def answers() -> bool:
            answer = self.ground.api("GET", "users/admin")
            return answer is not None and answer.ok

        if not wait(answers, BACK_LIMIT_S):
            self.ground.blame(f"the hub does not answer after {BACK_LIMIT_S:.0f} s")
            return "never back"
        return "done"
