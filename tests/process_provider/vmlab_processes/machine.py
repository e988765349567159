"""The process that plays a machine: waits for its seed, then serves under the seed's prefix.

    python machine.py FOLDER BOOT_S

Goes on without whoever started it. Its folder holds `process.json` from before its start has
returned, `agent.sock` for the seed, `seeded` once it serves, and `console.log`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

PHASES = ("identity", "keys", "network", "mounts", "exercises", "server")
MAX_NOTE = 64 * 1024


class Machine:
    """What the machine knows by now."""

    def __init__(self, folder: Path, boot_s: float) -> None:
        self.folder = folder
        self.boot_s = boot_s
        self.prefix = ""
        self.home: Path | None = None

    def say(self, text: str) -> None:
        with (self.folder / "console.log").open("a") as console:
            console.write(f"vmlab {self.folder.name}: {text}\n")

    def answer_agent(self, listening: socket.socket) -> None:
        """Take one seed after the other, as an agent does."""
        time.sleep(self.boot_s)
        self.say("boot")
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rw") as stream:
                try:
                    self.take_seed(stream)
                except (OSError, ValueError) as error:
                    self.say(f"no seed: {error}")

    def take_seed(self, stream: IO[str]) -> None:
        print(json.dumps({"type": "hello"}), file=stream, flush=True)
        seed = json.loads(stream.readline())
        for phase in PHASES:
            self.say(phase)
            print(json.dumps({"type": "phase", "phase": phase}), file=stream, flush=True)
        self.home = Path(seed["home"]) if seed["home"] else None
        self.prefix = seed["prefix"]
        print(json.dumps({"type": "done"}), file=stream, flush=True)

    def make_handler(self) -> type[BaseHTTPRequestHandler]:
        machine = self

        class Handler(BaseHTTPRequestHandler):
            """A tiny single-user server; the home has one note."""

            def do_GET(self) -> None:
                if not self.is_ours():
                    return
                note = machine.home / "note" if machine.home else None
                text = note.read_text() if note and note.exists() else ""
                self.reply(200, {"machine": machine.folder.name, "note": text})

            def do_PUT(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                if self.is_ours() and machine.home and length <= MAX_NOTE:
                    (machine.home / "note").write_bytes(self.rfile.read(length))
                    self.reply(200, {})

            def is_ours(self) -> bool:
                ours = bool(machine.prefix) and self.path.startswith(machine.prefix)
                if not ours:
                    self.reply(503, {"message": "no server here"})
                return ours

            def reply(self, status: int, body: dict[str, str]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Requests are not for the console."""

        return Handler


def main() -> None:
    folder, boot_s = Path(sys.argv[1]), float(sys.argv[2])
    os.umask(0o077)
    machine = Machine(folder, boot_s)
    server = ThreadingHTTPServer(("127.0.0.1", 0), machine.make_handler())
    listening = socket.socket(socket.AF_UNIX)
    (folder / "agent.sock").unlink(missing_ok=True)
    listening.bind(str(folder / "agent.sock"))
    listening.listen()
    if pid := os.fork():
        facts = {"pid": pid, "port": server.server_address[1], "since": time.time()}
        part = folder / "process.part"
        part.write_text(json.dumps(facts))
        part.rename(folder / "process.json")
        os._exit(0)
    os.setsid()
    machine.say("power")
    threading.Thread(target=machine.answer_agent, args=(listening,), daemon=True).start()
    server.serve_forever()


main()
