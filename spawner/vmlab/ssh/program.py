"""SSH to the machines of a VMLab hub through its web address: a small program for your computer.

It needs Python 3.8 or newer and OpenSSH's client, and nothing else. The page SSH of your hub has
the lines to paste. It is called in two ways:

    python3 vmlab-ssh.py setup URL NAME KEYS ...    once: writes the settings of ssh
    python3 vmlab-ssh.py connect URL                by ssh itself, at each connection

`setup` writes ~/.ssh/vmlab/config and ~/.ssh/vmlab/known_hosts and has ~/.ssh/config include the
first; nothing else is changed. `connect` carries ssh's bytes in a WebSocket (RFC 6455) over TLS,
whose certificate is checked, and speaks to the proxy of https_proxy if that is set. No secret is in
this file, its arguments or its settings: ssh itself logs in, with your key.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import socket
import ssl
import struct
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIMIT_S = 30
CHUNK = 65536
MAX_FRAME = 1 << 24
MAX_HEAD = 65536
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONFIG = """\
# Written by vmlab-ssh.py setup.
Host vmlab-hub
    User {name}
{way}
    HostKeyAlias vmlab-hub
    UserKnownHostsFile ~/.ssh/vmlab/known_hosts
    StrictHostKeyChecking yes
    ForwardAgent no
    ForwardX11 no
{aliases}Host {hosts}
    User trainee
    ProxyJump vmlab-hub
    UserKnownHostsFile ~/.ssh/vmlab/known_hosts
    StrictHostKeyChecking yes
    ServerAliveInterval 30
"""
INCLUDE = "Include vmlab/config\n"
DATA = r"([a-z0-9-]{1,40}):([A-Za-z0-9+/=]{16,8000})"
HUB_KEY = re.compile(f"vmlab-hub:{DATA}")
# HOST=MACHINE, as often as there are machines; the key signs those of all of them.
MACHINE = r"[a-z0-9][a-z0-9.-]{0,62}=[a-z0-9-]{1,64}"
MACHINES_KEY = re.compile(rf"({MACHINE}(?:\+{MACHINE})*):{DATA}")


class Trouble(Exception):  # noqa: N818 - it is what the user reads
    """What went wrong, in words for whoever reads them."""


# -- settings of ssh ------------------------------------------------------------------------------


def make_settings(url: str, name: str, keys: list[str], program: str) -> tuple[str, str]:
    """Return what is written to config and known_hosts.

    Args:
        url: https://HUB/hub/ssh, or ssh://HUB:PORT where the hub has a port for SSH.
        name: the account's name.
        keys: the hub's own as vmlab-hub:TYPE:BASE64, then HOST=MACHINE+HOST=MACHINE:TYPE:BASE64,
            with the key by which those of the machines are signed.
        program: how this program is called.

    Raises:
        Trouble: something is not what the hub's page has.
    """
    hub = HUB_KEY.fullmatch(keys[0]) if keys else None
    signer = MACHINES_KEY.fullmatch(keys[1]) if len(keys) == 2 else None
    if hub is None or signer is None:
        raise Trouble("a key is missing or damaged; copy the whole line again")
    machines = dict(pair.split("=") for pair in signer[1].split("+"))
    known = f"vmlab-hub {hub[1]} {hub[2]}\n"
    known += f"@cert-authority {','.join(machines.values())} {signer[2]} {signer[3]}\n"
    if not re.fullmatch(r"[a-z][a-z0-9._-]{0,39}", name):
        raise Trouble(f"{name[:40]} is not the name of an account")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh") or re.search(r"[\s\"'%\\]", url):
        raise Trouble(f"{url[:80]} is not the address of a hub")
    if parts.scheme == "ssh":
        way = f"    HostName {parts.hostname}\n    Port {parts.port or 22}"
    else:
        way = f"    ProxyCommand {program} connect {url}"
    aliases = "".join(f"Host {host}\n    HostKeyAlias {m}\n" for host, m in machines.items())
    config = CONFIG.format(name=name, way=way, aliases=aliases, hosts=" ".join(machines))
    return config, known


def set_up(url: str, name: str, keys: list[str]) -> None:
    """Write the settings; say what to do next."""
    program = f'"{sys.executable}" "{Path(__file__).resolve()}"'
    config, known = make_settings(url, name, keys, program.replace("%", "%%"))
    folder = Path.home() / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    own = folder / "vmlab"
    own.mkdir(mode=0o700, exist_ok=True)
    (own / "config").write_text(config)
    (own / "known_hosts").write_text(known)
    main = folder / "config"
    text = main.read_text() if main.exists() else ""
    if INCLUDE not in text:
        # First: in a section of a host it would only be included for that one.
        main.write_text(INCLUDE + ("\n" + text if text else ""))
        main.chmod(0o600)
    print("Ready. Try: ssh desk")  # noqa: T201
    print("C'est prêt. Essayez : ssh desk")  # noqa: T201


# -- the connection -------------------------------------------------------------------------------


class Wire:
    """Bytes to and from the hub, through TLS if there is a context.

    One thread reads while another writes, which a TLS connection of Python's own does not allow.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, name: str) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._tls = None
        if context:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
            while not self._try_handshake():
                self._feed()

    def _try_handshake(self) -> bool:
        assert self._tls  # noqa: S101
        try:
            self._tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()

    def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._sock.sendall(data)

    def _feed(self) -> bool:
        data = self._sock.recv(CHUNK)
        with self._lock:
            if data:
                self._in.write(data)
            else:
                self._in.write_eof()
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        if self._tls is None:
            self._sock.sendall(data)
            return
        with self._lock:
            self._tls.write(data)
            self._flush()

    def receive(self) -> bytes:
        """Return what came; nothing at the end."""
        if self._tls is None:
            return self._sock.recv(CHUNK)
        while True:
            with self._lock:
                try:
                    return self._tls.read(CHUNK)
                except ssl.SSLWantReadError:
                    self._flush()
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
            if not self._feed():
                return b""

    def wait_forever(self) -> None:
        """Have no limit of time from now on."""
        self._sock.settimeout(None)

    def close(self) -> None:
        """End the connection, whoever uses it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def open_socket(host: str, port: int, scheme: str) -> socket.socket:
    """Connect, through the proxy of the environment if there is one."""
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(host):
        return socket.create_connection((host, port), LIMIT_S)
    parts = urlsplit(proxy if "//" in proxy else "//" + proxy)
    sock = socket.create_connection((parts.hostname or "", parts.port or 3128), LIMIT_S)
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    if parts.username:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        head += f"Proxy-Authorization: Basic {base64.b64encode(who.encode()).decode()}\r\n"
    sock.sendall((head + "\r\n").encode())
    answer, rest = read_head(lambda: sock.recv(1))
    if rest or not re.match(r"HTTP/1\.[01] 2", answer):
        first = answer.split("\r\n")[0]
        raise Trouble(f"the proxy {parts.hostname} refuses: {first}")
    return sock


def read_head(receive) -> tuple[str, bytes]:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Return the head of an HTTP answer, and what came after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = receive()
        if not more or len(data) > MAX_HEAD:
            raise Trouble("the hub ended the connection; is the address right?")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def open_hub(url: str) -> tuple[Wire, bytes]:
    """Open a WebSocket; return it and what it said already."""
    parts = urlsplit(url)
    is_tls = parts.scheme in ("https", "wss")
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    sock = open_socket(host, port, "https" if is_tls else "http")
    wire = Wire(sock, ssl.create_default_context() if is_tls else None, host)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {parts.path or '/hub/ssh'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    wire.send(request.encode())
    head, rest = read_head(wire.receive)
    proof = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()  # noqa: S324
    if not head.startswith("HTTP/1.1 101") or proof not in head:
        first = head.split("\r\n")[0]
        raise Trouble(f"the hub answers: {first}")
    wire.wait_forever()
    return wire, rest


def make_frame(kind: int, data: bytes) -> bytes:
    """Return a message from a client, which must be masked."""
    mask, size = os.urandom(4), len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
    pattern = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")
    return head + mask + masked.to_bytes(size, "big")


class Frames:
    """Takes messages of a server apart."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._data += data

    def next(self) -> tuple[int, bytes] | None:
        """Return kind and content of the next message; None until it is complete.

        Raises:
            Trouble: that is no message of a server.
        """
        data = self._data
        if len(data) < 2:
            return None
        kind, size, at = data[0] & 15, data[1], 2
        if size & 0x80 or data[0] & 0x70:
            raise Trouble("the hub sent what is not a WebSocket message")
        if size >= 126:
            form = "!H" if size == 126 else "!Q"
            at += struct.calcsize(form)
            if len(data) < at:
                return None
            (size,) = struct.unpack_from(form, data, 2)
        if size > MAX_FRAME:
            raise Trouble(f"the hub sent a message of {size} bytes")
        if len(data) < at + size:
            return None
        content = bytes(data[at : at + size])
        del data[: at + size]
        return kind, content


def send_input(wire: Wire) -> None:
    """Send standard input until it ends, or the hub does."""
    with contextlib.suppress(OSError):
        while True:
            data = os.read(0, CHUNK)
            if not data:
                break
            wire.send(make_frame(BINARY, data))
        wire.send(make_frame(CLOSE, b""))
    wire.close()


def take_message(wire: Wire, kind: int, content: bytes) -> bool:
    """Do what a message of the hub says; return whether more may come."""
    if kind == CLOSE:
        reason = content[2:].decode("utf-8", "replace")
        if reason:
            raise Trouble(reason)
        return False
    if kind == PING:
        wire.send(make_frame(PONG, content))
    elif kind in (0, TEXT, BINARY):
        while content:
            content = content[os.write(1, content) :]
    return True


def connect(url: str) -> None:
    """Carry bytes between standard input and output and the hub until either ends."""
    wire, rest = open_hub(url)
    threading.Thread(target=send_input, args=(wire,), daemon=True).start()
    frames = Frames(rest)
    while True:
        message = frames.next()
        if message is not None:
            if not take_message(wire, *message):
                return
            continue
        try:
            data = wire.receive()
        except OSError:
            return
        if not data:
            return
        frames.feed(data)


def main(words: list[str]) -> int:
    """Do what the arguments say; return the status for the system."""
    try:
        if len(words) == 2 and words[0] == "connect":
            connect(words[1])
        elif len(words) >= 4 and words[0] == "setup":
            set_up(words[1], words[2], words[3:])
        else:
            raise Trouble((__doc__ or "").strip())
    except (Trouble, OSError, ssl.SSLError) as error:
        print(f"vmlab-ssh: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a thread may still wait for input
