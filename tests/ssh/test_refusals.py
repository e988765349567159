"""What the jump host refuses, to whoever asks."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import closing
from socket import create_connection

import aiohttp
import pytest
import requests

from ssh.computer import LIMIT_S, Computer
from vmlab.names import machine_name

QUIET = ("-o", "BatchMode=yes")


@pytest.fixture
def stranger(hub, tmp_path) -> Computer:
    """Somebody with the settings of ada and no key of hers."""
    computer = Computer(tmp_path / "home", hub, "ada")
    computer.set_up(port=True)
    return computer


@pytest.mark.attack("ssh.log-in", "asks for another account, with keys and tokens of one's own")
def test_only_ones_own_key_and_token_let_anybody_in(hub, bob, stranger, tried):
    assert "Permission denied" in stranger.ssh(*QUIET, "desk", "true").stderr.decode()
    # As many as are compared within a minute; more of them are in tests/unit/ssh/test_logins.py.
    tokens = {
        "of somebody else": hub.user_token("bob"),
        "of a machine": hub.server_token("ada"),
        "too narrow": hub.user_token("ada", ["read:users:name!user=ada"]),
        "the password": hub.password("ada"),
    }
    for kind, token in tokens.items():
        done = jump(stranger, "-o", "NumberOfPasswordPrompts=1", "-W", "desk:22", password=token)
        assert done.returncode == 255, kind
        assert b"SSH-2.0-OpenSSH" not in done.stdout, kind
    bob.change_config("User bob", "User ada")
    try:
        assert "Permission denied" in bob.ssh(*QUIET, "desk", "true").stderr.decode()
    finally:
        bob.change_config("User ada", "User bob")
    tried(len(tokens) + 2)


def jump(computer: Computer, *words: str, password: str = ""):
    """Ask something of the jump host itself, with a password instead of a key if there is one."""
    ways = ("-o", "PubkeyAuthentication=no") if password else QUIET
    return computer.ssh(*ways, *words, "vmlab-hub", password=password)


@pytest.mark.attack("ssh.own-machines", "asks for other machines, ports, hosts and services")
def test_nothing_but_ssh_of_ones_own_machine_is_reached(hub, ada_by_port, tried):
    ada = ada_by_port
    assert b"SSH-2.0-OpenSSH" in jump(ada, "-W", "desk:22").stdout, "as it should be"
    targets = (
        "127.0.0.1:22", f"127.0.0.1:{hub.port}", f"localhost:{hub.ssh_port}", "[::1]:22",
        "169.254.169.254:80", "10.0.2.2:8081", f"{machine_name('bob')}:22", "bob:22", "server:22",
        f"{machine_name('ada')}:22", "desk:23", "desk:8888", "desk-bob:22", "../desk:22",
        "desk\n:22", "vmlab-hub:22", f"{'x' * 300}:22",
    )  # fmt: skip
    for target in targets:
        done = jump(ada, "-W", target)
        assert done.returncode != 0, target
        assert not done.stdout, target
    tried(len(targets))


@pytest.mark.attack("ssh.own-machines", "asks the hub for a shell, files and forwarding")
def test_the_jump_host_has_nothing_of_its_own(hub, ada_by_port, tmp_path, tried):
    ada, there = ada_by_port, tmp_path / "there"
    there.write_text("x")
    config = ("-F", str(ada.config))
    ways = [
        jump(ada),
        ada.ssh("vmlab-hub", "id"),
        ada.ssh("-tt", "vmlab-hub"),
        ada.ssh("-s", "vmlab-hub", "sftp"),
        ada.ssh("-A", "-X", "vmlab-hub", "id"),
        ada.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "vmlab-hub"),
        ada.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "/tmp/x:/tmp/y", "vmlab-hub"),
        ada.run("scp", *config, str(there), "vmlab-hub:x"),
        ada.run("scp", "-O", *config, str(there), "vmlab-hub:x"),
    ]
    for done in ways:
        assert done.returncode != 0, done.args
        assert b"uid=" not in done.stdout, done.args
    tried(len(ways))


@pytest.mark.attack("ssh.guessing", "guesses tokens, in one connection and in many")
def test_guesses_are_limited_and_not_in_the_log(hub, stranger, tried):
    guess = "guessed0123456789guessed01234567"
    done = jump(stranger, "-W", "desk:22", password=guess)
    assert done.returncode == 255
    assert b"too many attempts" in done.stderr
    for _ in range(2):
        jump(stranger, "-W", "desk:22", password=guess)
    right = hub.user_token("ada")
    done = jump(stranger, "-W", "desk:22", password=right)
    assert b"SSH-2.0" not in done.stdout, "not even the right one, for a minute"
    log = hub.log.read_text()
    assert "too many wrong tokens" in log
    assert guess not in log
    assert right not in log
    tried(10)


def test_a_key_lets_in_although_somebody_guesses(hub, ada_by_port):
    assert ada_by_port.ssh("desk", "id -un").stdout == b"trainee\n"


@pytest.mark.attack("ssh.pages", "opens the WebSocket as pages in a browser do")
def test_no_page_opens_the_web_socket(hub, ada, tried):
    session = hub.login("ada")
    cookies = {cookie.name: cookie.value for cookie in session.cookies}
    origins = (hub.base_url, hub.local_url, "https://elsewhere.example", "null")
    host = hub.base_url.removeprefix("http://")
    pages = [
        *({"Origin": origin} for origin in origins),
        *({"Sec-WebSocket-Origin": origin} for origin in origins),
        *({"Sec-Fetch-Site": site} for site in ("same-origin", "same-site", "cross-site", "none")),
        # As the hub's own pages, and machines' where there is one origin for all.
        {"Host": host, "Origin": hub.base_url},
        {"Host": host, "Origin": hub.base_url, "Sec-Fetch-Site": "same-origin"},
    ]

    async def ask(headers: dict[str, str]) -> int:
        """Return the status of the first answer, whatever it leads to; 101: it is SSH."""
        async with aiohttp.ClientSession(cookies=cookies) as client:
            try:
                async with client.ws_connect(f"{hub.local_url}/hub/ssh", headers=headers) as ws:
                    greeting = await ws.receive(timeout=LIMIT_S)
                    assert greeting.data.startswith(b"SSH-2.0"), greeting
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.history[0].status if error.history else error.status

    assert asyncio.run(ask({})) == 101, "as programs do"
    assert asyncio.run(ask({"Host": host})) == 101
    for headers in pages:
        assert asyncio.run(ask(headers)) == 403, headers
    answer = requests.get(f"{hub.local_url}/hub/ssh", timeout=LIMIT_S)
    assert answer.status_code == 400, "no WebSocket"
    tried(len(pages))


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b"SSH-1.5-old\r\n", os.urandom(4096)])
def test_what_is_not_ssh_is_ended(hub, words):
    with closing(create_connection(("127.0.0.1", hub.ssh_port), LIMIT_S)) as client:
        client.sendall(words)
        client.settimeout(LIMIT_S)
        while client.recv(4096):
            pass
    hub.wait_for_ssh()


def test_keys_that_are_none_are_refused_with_words(hub):
    token = hub.user_token("ada")
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    for text, word in ((private, "clé privée"), ("ssh-ed25519 AAAA", "endommagée"), ("x", ".pub")):
        answer = hub.api("POST", "vmlab/ssh/keys", token=token, json={"key": text})
        assert answer.status_code == 400
        assert word in answer.json()["fr"]
    for body in ({}, {"key": 1}, {"key": "x" * 20_000}):
        answer = hub.api("POST", "vmlab/ssh/keys", token=token, json=body)
        assert answer.status_code == 400


def test_a_machine_s_token_registers_no_key(hub, ada):
    for call, path in (("GET", "keys"), ("POST", "keys"), ("DELETE", f"keys/{'A' * 43}")):
        answer = hub.api(call, f"vmlab/ssh/{path}", token=hub.server_token("ada"), json={})
        assert answer.status_code == 403, call


def test_others_on_the_host_reach_neither_key_nor_socket(hub):
    folder = hub.paths.ssh
    for path in (folder, folder / "host_key", folder / "jump.sock"):
        assert path.stat().st_mode & 0o077 == 0, path
    words = ["ps", "-eo", "args", "-ww"]
    shown = subprocess.run(words, capture_output=True, check=True).stdout.decode()
    line = next(line for line in shown.splitlines() if "vmlab.ssh.service" in line)
    assert "token" not in line
