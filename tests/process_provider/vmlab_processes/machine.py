"""The process that plays a machine: VMLab's own agent, and a server under the seed's prefix.

    python -m vmlab_processes.machine FOLDER BOOT_S

Goes on without whoever started it. Its folder holds `process.json` from before its start has
returned, `agent.sock` for the agent's stream, `console.log`, and below `root` what the agent takes
for the machine's file system.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from vmlab_guest.agent import Agent
from vmlab_guest.system import inside
from vmlab_processes.carrier import carry
from vmlab_processes.process_system import ProcessSystem
from vmlab_processes.sshd import serve_ssh
from vmlab_protocol.machine import HOME

MAX_NOTE = 64 * 1024


class NoCourses:
    """A process has no trainee of its own into whose home courses could be brought."""

    def follow(self, env: dict[str, str]) -> None: ...


def make_handler(name: str, system: ProcessSystem) -> type[BaseHTTPRequestHandler]:
    """Return a tiny single-user server; the home has one note."""
    note = inside(system, HOME) / "note"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.is_ours():
                text = note.read_text() if note.exists() else ""
                self.reply(200, {"machine": name, "note": text})

        def do_PUT(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if self.is_ours() and length <= MAX_NOTE:
                with system.writing():
                    note.write_bytes(self.rfile.read(length))
                self.reply(200, {})

        def is_ours(self) -> bool:
            ours = bool(system.prefix) and self.path.startswith(system.prefix)
            if not ours:
                self.reply(503, {"message": "no server here"})
            return ours

        def reply(self, status: int, body: Mapping[str, str]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            with suppress(BrokenPipeError):  # whoever asked has not waited
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Requests are not for the console."""

    return Handler


def answer_agent(system: ProcessSystem, listening: socket.socket, boot_s: float) -> None:
    """Boot, then let the agent have what comes in."""
    time.sleep(boot_s)
    system.announce("boot")
    near, far = socket.socketpair()
    agent = Agent(system, NoCourses(), near.detach())
    threading.Thread(target=agent.serve, name="agent", daemon=True).start()
    carry(listening, far)


def main() -> None:
    folder, boot_s = Path(sys.argv[1]), float(sys.argv[2])
    os.umask(0o077)
    system = ProcessSystem(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(folder.name, system))
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
    system.announce("power")
    threading.Thread(target=serve_ssh, args=(system, folder), name="sshd", daemon=True).start()
    words = (system, listening, boot_s)
    threading.Thread(target=answer_agent, args=words, name="boot", daemon=True).start()
    server.serve_forever()


main()
