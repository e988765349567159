"""A server without a descriptor for a new connection pauses, and serves those that waited."""

from __future__ import annotations

import subprocess
import sys

LIMIT_S = 240
REST_S = 1.0

# In a process of its own, whose descriptors run out; it prints what came of it, and what is logged.
BEGINNING = f"""
import asyncio, logging, os, resource, socket, sys, time
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from vmlab.network import accepting

assert accepting._REST_S == {REST_S}
accepting.accept_patiently()
pauses = asyncio.Queue()

class Log(logging.Handler):
    def emit(self, record):
        print(record.getMessage())
        pauses.put_nowait(time.monotonic())

class Hello(RequestHandler):
    def get(self):
        self.write("hello")

def use_up():
    highest = max(map(int, os.listdir("/proc/self/fd"))) + 4
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
    kept = []
    try:
        while True:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return kept

async def knock(port):
    client = socket.socket()
    client.setblocking(False)
    kept = use_up()
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return client, kept

async def main():
    logging.getLogger().addHandler(Log())
    logging.getLogger("tornado.access").propagate = False
    server = HTTPServer(Application([("/", Hello)]))
    server.listen(0, "127.0.0.1")
    (listener,) = server._sockets.values()
    # What the event loop opens at its first use of such things is open before they run out.
    await asyncio.get_running_loop().run_in_executor(None, print, "begun")
    await play(server, listener.getsockname()[1])
"""
END = "\nasyncio.run(asyncio.wait_for(main(), 120))\n"

WAITS = """
async def play(server, port):
    loop = asyncio.get_running_loop()
    client, kept = await knock(port)
    await loop.sock_sendall(client, b"GET / HTTP/1.0\\r\\n\\r\\n")
    first, _, third = [await pauses.get() for _ in range(3)]
    print("paused for", round(third - first, 1))
    for _ in range(2):  # also for the look whether somebody else waits
        os.close(kept.pop())
    print(await loop.sock_recv(client, 15))
"""

CLOSES = """
async def play(server, port):
    client, kept = await knock(port)
    await pauses.get()
    server.stop()
    os.close(kept.pop())
    ours, theirs = socket.socketpair()  # one of them has the server's number
    heard = asyncio.Event()
    for end in (ours, theirs):
        asyncio.get_running_loop().add_reader(end, heard.set)
    await asyncio.sleep(accepting._REST_S)  # begun after the pause, so it ends after it
    assert not heard.is_set()
    ours.send(b"x")
    await heard.wait()
    print("went on")
"""


def play(code: str) -> list[str]:
    words = [sys.executable, "-c", BEGINNING + code + END]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    begun, *lines = done.stdout.splitlines()
    assert begun == "begun"
    return lines


def test_who_came_meanwhile_is_served_and_the_log_says_what_is_missing():
    *log, paused, answer = play(WAITS)
    assert len(log) == 3
    assert all("no file descriptor is left for new connections" in line for line in log)
    assert float(paused.removeprefix("paused for ")) >= 2 * REST_S
    assert answer == "b'HTTP/1.1 200 OK'"


def test_a_server_that_is_closed_while_it_pauses_leaves_its_number_to_others():
    log, went_on = play(CLOSES)
    assert "no file descriptor is left" in log
    assert went_on == "went on"
