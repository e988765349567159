"""How fast a link between two machines or processes is: throughput and round trips, by TCP.

Standard library only, and one file: it is measured in machines, too, which have nothing of ours.
Run as `python3 link_speed.py serve PORT` at one end, `ask HOST PORT` at the other, which prints a
line of JSON.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time

SECONDS = 3.0
ROUND_TRIPS = 300

_LIMIT_S = 120.0
_CHUNK = bytes(1 << 18)
_CONNECT_AGAIN_S = 0.1


def serve(port: int) -> None:
    """Answer one who asks."""
    with socket.create_server(("0.0.0.0", port)) as server:  # noqa: S104 - whatever the link is
        server.settimeout(_LIMIT_S)
        with server.accept()[0] as stream:
            received = 0
            while data := stream.recv(len(_CHUNK)):
                received += len(data)
            # What arrived counts, not what was sent into a buffer.
            stream.sendall(str(received).encode())
        with server.accept()[0] as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := stream.recv(64):
                stream.sendall(data)


def ask(host: str, port: int, seconds: float = SECONDS) -> dict[str, float]:
    """Return Mbit/s and the median round trip in microseconds."""
    with _connect(host, port) as stream:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            stream.sendall(_CHUNK)
        stream.shutdown(socket.SHUT_WR)
        received = int(stream.recv(64))
        took_s = time.perf_counter() - began
    trips = []
    with _connect(host, port) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            stream.sendall(b"?")
            stream.recv(64)
            trips.append(time.perf_counter() - began)
    return {
        "mbit_s": round(received * 8 / took_s / 1e6, 1),
        "round_trip_us": round(statistics.median(trips) * 1e6, 1),
    }


def _connect(host: str, port: int) -> socket.socket:
    """Return a connection to one who may not listen yet."""
    deadline = time.monotonic() + _LIMIT_S
    while True:
        try:
            return socket.create_connection((host, port), timeout=_LIMIT_S)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_CONNECT_AGAIN_S)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        print(json.dumps(ask(sys.argv[2], int(sys.argv[3]))))  # noqa: T201 - the answer
