"""Many connections at once, and such as never get on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from socket import create_connection, socket

import pytest
import requests

from fakes.waiting import wait_until
from ssh.computer import LIMIT_S
from vmlab.ssh.limits import MAX_OF_USER, MAX_STARTING_OF_PLACE

FLOOD = 200
PAGE_LIMIT_S = 10


def connect(hub) -> socket:
    client = create_connection(("127.0.0.1", hub.ssh_port), LIMIT_S)
    client.settimeout(LIMIT_S)
    return client


def greeted(client: socket) -> bool:
    """Whether the jump host kept this connection: the others are closed without a word."""
    try:
        return client.recv(8).startswith(b"SSH-2.0")
    except ConnectionError:
        return False


@pytest.mark.attack("ssh.flood", "opens hundreds of connections, by the port, and says nothing")
def test_silent_connections_are_bounded(hub, ada, tried):
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(hub))) for _ in range(FLOOD)]
        with ThreadPoolExecutor(16) as threads:
            kept = sum(threads.map(greeted, clients))
        assert kept == MAX_STARTING_OF_PLACE
        begun = time.monotonic()
        assert requests.get(f"{hub.api_url}/", timeout=LIMIT_S).ok
        assert time.monotonic() - begun < PAGE_LIMIT_S
    tried(FLOOD)
    # Those places are free again as soon as the flood is over.
    wait_until(lambda: ada.ssh("desk", "true").returncode == 0)


@pytest.mark.attack("ssh.flood", "opens more connections than an account may have")
def test_connections_of_an_account_are_bounded(hub, bob, tried):
    processes = []
    try:
        for _ in range(MAX_OF_USER):
            process = bob.begin("-W", "desk:22", "vmlab-hub")
            processes.append(process)
            assert process.stdout.readline().startswith(b"SSH-2.0")
        done = bob.ssh("-W", "desk:22", "vmlab-hub")
        assert done.returncode == 255
        assert b"too many connections" in done.stderr
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    tried(MAX_OF_USER + 1)
    wait_until(lambda: bob.ssh("desk", "true").returncode == 0)
