"""The acquisition's folder, its shared secret, and where its services are."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from narval.errors import NarvalError

__all__ = [
    "LOOPBACK",
    "MAX_PORT",
    "Address",
    "Port",
    "config_folder",
    "ensure_secret",
    "naming_address",
    "parse_address",
    "reachable_host",
    "read_secret",
]

LOOPBACK = "127.0.0.1"
"""Services listen here unless told otherwise."""

MAX_PORT = 65535

_SECRET = re.compile(r"[0-9a-f]{64}")
_PORT = re.compile(r"[0-9]{1,5}")
_SHOWN = 60


class Port:
    """Where the services listen unless told otherwise; the numbers are NARVAL's own.

    Not an IntEnum: from Python 3.13 on, getaddrinfo takes an int and nothing that is derived of it.
    """

    NAMING_SERVICE: Final = 2809
    SHELL: Final = 6080
    CENTRAL_LOG: Final = 6912


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int) -> Address:
    """Return the address in `HOST`, `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        NarvalError: it is not one.
    """
    host, colon, digits = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, digits = text, str(default_port)
    port = int(digits) if _PORT.fullmatch(digits) else -1
    host = host.strip("[]")
    if not host or not 0 <= port <= MAX_PORT:
        raise NarvalError(
            f"{text[:_SHOWN]!r} is not an address: HOST:PORT, with a port of 0 to {MAX_PORT}"
        )
    return Address(host, port)


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the acquisition keeps its files: NARVAL_CONFIG, else `~/.narval`."""
    return Path(environment.get("NARVAL_CONFIG") or Path.home() / ".narval")


def naming_address(environment: Mapping[str, str] = os.environ) -> Address:
    """Return where the naming service is: NARVAL_NAMING_SERVICE, else this machine.

    Raises:
        NarvalError: the variable holds no address.
    """
    text = environment.get("NARVAL_NAMING_SERVICE") or f"{LOOPBACK}:{Port.NAMING_SERVICE}"
    return parse_address(text, Port.NAMING_SERVICE)


def reachable_host(host: str) -> str:
    """Return what others call a host that listens on all its addresses."""
    return socket.gethostname() if host in {"0.0.0.0", "::", ""} else host  # noqa: S104


def ensure_secret(folder: Path) -> str:
    """Return the acquisition's secret, made now if there is none; the folder too.

    Raises:
        NarvalError: it cannot be made or read, or others may read it.
    """
    file = folder / "secret"
    fresh = folder / f".secret-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(os.urandom(32).hex() + "\n")
            # A link, not a rename: of two processes the first one's secret stays, and it is whole.
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
    except OSError as error:
        raise NarvalError(f"{file} cannot be made: {error.strerror}") from error
    return read_secret(folder)


def read_secret(folder: Path) -> str:
    """Return the acquisition's secret.

    Raises:
        NarvalError: there is none, it is malformed, or others than its owner may read it.
    """
    file = folder / "secret"
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise NarvalError(f"the secret {file} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise NarvalError(f"the secret {file} can be read by others: chmod 600 {file}")
    if not _SECRET.fullmatch(text):
        raise NarvalError(
            f"{file} holds no secret (64 hexadecimal digits); remove it for a new one"
        )
    return text
