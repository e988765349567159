"""An actor that speaks the orders and moves no data; run in place of narval.actor.

Its arguments say how it misbehaves: `fail_at=load`, `crash_at=load` (SIGSEGV, with the name of a
symbol), `slow_at=start`. Where `notes=FILE` is given it appends each order to that file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from narval.control.peer import connect
from narval.errors import NarvalError
from narval.runtime import symbol_file

LEADS_TO = {
    "load": "Loaded",
    "initialise": "Stopped",
    "start": "Running",
    "stop": "Stopped",
    "pause": "Paused",
    "resume": "Running",
    "reset": "Loaded",
    "unload": "Configured",
}
SYMBOLS = {"load": "process_config", "start": "process_start"}


class FakeActor:
    def __init__(self, given):
        self.given = given
        self.values = {}
        self.actor = {}

    async def run(self, secret):
        host, _, port = self.given.coordinator.rpartition(":")
        self.peer = await connect(
            host, int(port), secret,
            {"hello": "actor", "uuid": self.given.uuid, "pid": os.getpid()},
        )  # fmt: skip
        self.peer.handlers = {
            "configure": self.configure,
            "set_argument": self.set_argument,
            "get_argument": self.get_argument,
            "arguments": self.arguments,
            "open_outputs": self.open_outputs,
            "connect_inputs": self.connect_inputs,
            "finish": self.finish,
            "ask": self.ask,
            **{name: partial(self.change, name) for name in LEADS_TO},
        }
        await self.peer.closed()

    def tell(self, state):
        self.peer.note("status", state=state, bytes_in=1, bytes_out=2, buffers=[], error=None)

    async def configure(self, actor, sub_system, log_level, log, run_folder, folder):
        self.actor = actor
        self.values = dict(argument.split("=", 1) for argument in actor["arguments"])
        self.note("configure")
        self.tell("Configured")

    async def change(self, order, **with_):
        self.note(order)
        if self.values.get("crash_at") == order:
            symbol_file(self.given.config_name, self.given.uuid).write_bytes(
                SYMBOLS[order].encode() + b"\0" * 8
            )
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.values.get("slow_at") == order:
            await asyncio.sleep(float(self.values.get("slow_s", "1")))
        if self.values.get("fail_at") == order:
            raise NarvalError(f"libbroken.so: process_{order} reported error 7")
        if self.values.get("says"):
            sys.stdout.write(self.values["says"] + "\n")
            sys.stdout.flush()
        self.tell(LEADS_TO[order])

    async def set_argument(self, name, value):
        if name == "unknown":
            raise NarvalError("there is no parameter 'unknown' (known: rate)")
        self.values[name] = value

    async def get_argument(self, name):
        return self.values[name]

    async def arguments(self):
        return self.values

    async def ask(self, what, **more):
        return [what, more["with"]]

    async def open_outputs(self, readers):
        return [
            {"buffer": buffer, "reader": reader, "path": f"/{buffer}/{reader}"}
            for buffer, names in readers.items()
            for reader in names
        ]

    async def connect_inputs(self, inputs):
        self.values["inputs"] = inputs

    async def finish(self):
        self.note("finish")
        asyncio.get_running_loop().call_later(0.01, self.peer.close)

    def note(self, order):
        if "notes" in self.values:
            with Path(self.values["notes"]).open("a") as out:
                out.write(f"{order} {self.actor['name']}\n")


def main():
    parser = argparse.ArgumentParser()
    for name in ("config_name", "uuid", "coordinator", "binary_code"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--by_ssh", action="store_true")
    given = parser.parse_args()
    if given.binary_code == "event_builder":  # no test needs one here: it stands for what is broken
        sys.exit("there is no event builder on this host")
    asyncio.run(FakeActor(given).run(sys.stdin.readline().strip()))


if __name__ == "__main__":
    main()
