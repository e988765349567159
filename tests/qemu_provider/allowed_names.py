"""A machine's way to some names on the internet, with real rules and packets, all of it played.

    machine's namespace                     the rest of the world
    QEMU's stand-in ── gate 10.0.3.53       resolver 10.0.3.3, which knows NAMES
    10.0.3.100 ═══════ uplink0 ════════════ world0, 9.9.9.9 and 9.9.9.10, which greet

Run as a program in empty namespaces, with root's rights in them; prints what was reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading

from vmlab.network.uplink import enter_namespace
from vmlab.providers.qemu.network.dns import (
    Code,
    Question,
    make_answer,
    make_question,
    read_addresses,
    read_question,
    write_name,
)
from vmlab.providers.qemu.process.gate import ADDRESS, RESOLVER, start_gate

PORT = 7007
PATIENCE_S = 10
ALLOWED = ["good.example", "*.below.example", "twisted.example", "silent.example"]
NAMES = {
    "good.example": "9.9.9.9",
    "a.below.example": "9.9.9.11",
    "other.example": "9.9.9.10",
    "twisted.example": "10.0.3.3",  # its owner would like machines to reach the resolver
}
A, AAAA, TXT = 1, 28, 16


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def play_world() -> None:
    """Be the world: a namespace with everybody in it, and a cable to this one."""
    read, write = os.pipe()
    ready_read, ready_write = os.pipe()
    machine = os.getpid()
    if os.fork() == 0:
        os.close(write)
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(0x40000000) == 0, "no namespace for the world"
        os.write(ready_write, b"1")
        assert os.read(read, 1) == b"1"
        for line in (
            "link set lo up", "link set world0 up", "addr add 10.0.3.3/24 dev world0",
            "addr add 9.9.9.9/32 dev lo", "addr add 9.9.9.10/32 dev lo",
            "addr add 9.9.9.11/32 dev lo",
        ):  # fmt: skip
            _run("ip", *line.split())
        for work in (_resolve, _greet):
            threading.Thread(target=work, daemon=True).start()
        os.write(ready_write, b"2")
        os.read(read, 1)  # until the machine has ended
        os._exit(0)
    os.close(read)
    assert os.read(ready_read, 1) == b"1"
    world = subprocess.check_output(["pgrep", "-P", str(machine), "-n"], text=True).strip()
    _run("ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "world0", "netns", world)
    _run("ip", "addr", "add", "10.0.3.100/24", "dev", "uplink0")
    _run("ip", "link", "set", "uplink0", "up")
    os.write(write, b"1")
    assert os.read(ready_read, 1) == b"2"
    _run("ip", "route", "add", "default", "via", "10.0.3.3")


def _resolve() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((str(RESOLVER), 53))
        while True:
            query, asker = end.recvfrom(1500)
            question = read_question(query)
            if not isinstance(question, Question) or question.name == "silent.example":
                continue
            known = NAMES.get(question.name)
            records = [(A, socket.inet_aton(known))] if known else []
            code = Code.DONE if known else Code.UNKNOWN
            end.sendto(make_answer(question, code, records), asker)


def _greet() -> None:
    with socket.create_server(("0.0.0.0", PORT)) as server:
        while True:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"hello")


# -- as QEMU does, on behalf of its guest ----------------------------------------------------------


def reach(address: str) -> str:
    """Return how a connection ends."""
    try:
        with socket.create_connection((address, PORT), PATIENCE_S) as end:
            return end.recv(5).decode()
    except OSError as error:
        return type(error).__name__


def ask(name: str, kind: int = A, server: str = str(ADDRESS)) -> list[object]:
    """Return code and addresses that a resolver says, or why there is no answer."""
    query = make_question(77, name)
    asked = query if kind == A else query[:12] + write_name(name) + bytes((0, kind, 0, 1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(PATIENCE_S)
        try:
            end.connect((server, 53))
            end.send(asked)
            code, addresses = read_addresses(end.recv(1500), asked)
        except OSError as error:
            return [type(error).__name__]
    return [code, *map(str, addresses)]


def may_mark() -> bool:
    """Tell whether somebody without rights passes for the gate."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        try:
            end.setsockopt(socket.SOL_SOCKET, 36, 0x766D)
        except PermissionError:
            return False
    return True


def look() -> dict[str, object]:
    """Return what is reached, in this order."""
    found: dict[str, object] = {"before": reach("9.9.9.9")}
    found["good"] = ask("good.example")
    found["after"] = reach("9.9.9.9")
    found["below"] = [ask("a.below.example"), reach("9.9.9.11")]
    found["other"] = [ask("other.example"), reach("9.9.9.10")]
    found["twisted"] = [ask("twisted.example"), ask("other.example", server=str(RESOLVER))]
    found["missing"] = ask("missing.below.example")
    found["texts"] = [ask("good.example", TXT), ask("good.example", AAAA)]
    found["silent"] = ask("silent.example")
    found["in capitals"] = ask("GOOD.Example")
    found["mark"] = may_mark()
    return found


def main() -> None:
    """Play it and print what somebody without rights reaches."""
    enter_namespace()
    play_world()
    start_gate(ALLOWED)
    drop = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"]
    words = [*drop, sys.executable, "-m", "qemu_provider.allowed_names", "look"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    sys.stdout.write(done.stdout)


if __name__ == "__main__":
    if sys.argv[1:] == ["look"]:
        sys.stdout.write(json.dumps(look()))
    else:
        main()
