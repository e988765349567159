"""Reading a seed: the agent's half of `seed`. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, TypeVar

from vmlab_protocol.errors import FormatError
from vmlab_protocol.notices import MAX_NOTICE_CHARS, Language, Notice
from vmlab_protocol.seed import (
    HOME_SEED_VERSION,
    MAX_RANDOM_BYTES,
    MIN_RANDOM_BYTES,
    SEED_VERSION,
    EventNetwork,
    HostKey,
    Kin,
    KinHost,
    Mount,
    Network,
    Seed,
    Server,
)
from vmlab_protocol.share import Share, parse_share

_VERSIONS = [SEED_VERSION, HOME_SEED_VERSION]
_KEPT = "\n\u202f"  # wanted in a notice though not printable; French has the second before ; : ! ?
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL}){{0,3}}")  # Linux takes 64 characters
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FS_TYPE = re.compile(r"[a-z][a-z0-9.]{0,15}")
_MOUNT_OPTIONS = re.compile(r"[A-Za-z0-9_=,.:/+-]{0,500}")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9_.:/+-]{1,200}")
_PATH = re.compile(r"(/[A-Za-z0-9_.+-]{1,100}){1,16}")
_PUBLIC_KEY = re.compile(
    r"(ssh|ecdsa|sk)-[A-Za-z0-9@.-]{1,60} [A-Za-z0-9+/=]{16,8000}( [^\r\n]{0,500})?"
)
_CERTIFICATE = re.compile(r"ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/=]{16,8000}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    r"[A-Za-z0-9+/=\n]{50,8000}"
    r"-----END OPENSSH PRIVATE KEY-----\n?"
)

Address = TypeVar("Address", IPv4Address, IPv4Interface)


class SeedError(FormatError):
    """The seed breaks its format: says which field, and shows no secret."""


def parse_seed(value: object) -> Seed:
    """Return the seed in a decoded JSON value; unknown fields are ignored.

    Raises:
        SeedError: a field is missing or breaks the format.
    """
    seed = _dict(value, "seed")
    version = _get(seed, "seed", "version")
    if version not in _VERSIONS:
        raise SeedError(f"seed.version: this agent knows {_VERSIONS}, got {str(version)[:20]!r}")
    key = _dict(_get(seed, "seed", "ssh_host_key"), "seed.ssh_host_key")
    return Seed(
        randomness=_randomness(_get(seed, "seed", "randomness")),
        time_ns=parse_time(_get(seed, "seed", "time_ns"), "seed.time_ns"),
        machine_id=_text(seed, "seed", "machine_id", _MACHINE_ID),
        host_name=_text(seed, "seed", "host_name", _HOST_NAME),
        ssh_host_key=HostKey(
            private=_text(key, "seed.ssh_host_key", "private", _PRIVATE_KEY, secret=True),
            public=_text(key, "seed.ssh_host_key", "public", _PUBLIC_KEY),
            certificate=_text(key, "seed.ssh_host_key", "certificate", _CERTIFICATE)
            if "certificate" in key
            else "",
        ),
        authorized_keys=parse_keys(_get(seed, "seed", "authorized_keys"), "authorized_keys"),
        network=_network(_get(seed, "seed", "network")),
        mounts=tuple(
            _mount(item, f"seed.mounts[{i}]")
            for i, item in enumerate(_list(_get(seed, "seed", "mounts"), "mounts"))
        ),
        notices=tuple(
            _notice(item, f"seed.notices[{i}]")
            for i, item in enumerate(_list(_get(seed, "seed", "notices"), "notices"))
        ),
        language=_language(_get(seed, "seed", "language")),
        server=_server(_get(seed, "seed", "server")),
        event=_event(seed.get("event")),
        share=_share(seed.get("share")),
        own_keys=parse_keys(seed.get("own_keys", []), "own_keys"),  # an older hub has none
        kin=_kin(seed.get("kin")),
    )


def parse_keys(value: object, name: str) -> tuple[str, ...]:
    """Return public keys, each a line of sshd's without options.

    Raises:
        SeedError: that is not a list of such lines.
    """
    items = _list(value, name)
    return tuple(_match(item, f"seed.{name}[{i}]", _PUBLIC_KEY) for i, item in enumerate(items))


def _dict(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SeedError(f"{where}: expected an object, got {type(value).__name__}")
    return value


def _list(value: object, name: str, most: int = 100) -> list[Any]:
    if not isinstance(value, list):
        raise SeedError(f"seed.{name}: expected a list, got {type(value).__name__}")
    if len(value) > most:
        raise SeedError(f"seed.{name}: at most {most} entries, got {len(value)}")
    return value


def _get(table: dict[str, Any], where: str, name: str) -> object:
    if name not in table:
        raise SeedError(f"{where}.{name}: missing")
    return table[name]


def _match(value: object, where: str, form: re.Pattern[str], *, secret: bool = False) -> str:
    if isinstance(value, str) and form.fullmatch(value):
        return value
    shown = "a value that is kept secret" if secret else repr(value)[:80]
    raise SeedError(f"{where}: does not have the right form: {shown}")


def _text(
    table: dict[str, Any], where: str, name: str, form: re.Pattern[str], *, secret: bool = False
) -> str:
    return _match(_get(table, where, name), f"{where}.{name}", form, secret=secret)


def _randomness(value: object) -> bytes:
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):  # ValueError: text outside ASCII
        data = b""
    if not MIN_RANDOM_BYTES <= len(data) <= MAX_RANDOM_BYTES:
        raise SeedError(
            f"seed.randomness: expected {MIN_RANDOM_BYTES} to {MAX_RANDOM_BYTES} bytes in base64"
        )
    return data


def parse_time(value: object, where: str) -> int:
    """Return nanoseconds since the epoch.

    Raises:
        SeedError: it is no such time.
    """
    # From 2020 to 2200: anything else is a broken clock, and would break TLS and make.
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 1_577_836_800 <= value // 10**9 <= 7_258_118_400
    ):
        return value
    raise SeedError(f"{where}: expected nanoseconds since the epoch, got {repr(value)[:40]}")


def _network(value: object) -> Network:
    where = "seed.network"
    table = _dict(value, where)
    return Network(
        address=_parsed(IPv4Interface, _get(table, where, "address"), where),
        gateway=_parsed(IPv4Address, _get(table, where, "gateway"), where),
        dns=_dns(table, where),
    )


def _event(value: object) -> EventNetwork | None:
    if value is None:
        return None  # the hub may be older than events
    where = "seed.event"
    table = _dict(value, where)
    names = _list(_get(table, where, "names"), "event.names", most=8)
    if not names:
        raise SeedError(f"{where}.names: expected at least one")
    return EventNetwork(
        mac=_text(table, where, "mac", _MAC),
        address=_parsed(IPv4Interface, _get(table, where, "address"), where),
        dns=_dns(table, where),
        names=tuple(
            _match(name, f"{where}.names[{i}]", _HOST_NAME) for i, name in enumerate(names)
        ),
    )


def _kin(value: object) -> Kin | None:
    if value is None:
        return None
    where = "seed.kin"
    table = _dict(value, where)
    hosts = _list(_get(table, where, "hosts"), "kin.hosts")
    return Kin(
        private=_text(table, where, "private", _PRIVATE_KEY, secret=True),
        authority=_text(table, where, "authority", _PUBLIC_KEY),
        hosts=tuple(_kin_host(host, f"{where}.hosts[{i}]") for i, host in enumerate(hosts)),
    )


def _kin_host(value: object, where: str) -> KinHost:
    table = _dict(value, where)
    names = _list(_get(table, where, "names"), f"{where.removeprefix('seed.')}.names", most=8)
    return KinHost(
        machine=_text(table, where, "machine", _HOST_NAME),
        names=tuple(
            _match(name, f"{where}.names[{i}]", _HOST_NAME) for i, name in enumerate(names)
        ),
    )


def _dns(table: dict[str, Any], where: str) -> tuple[IPv4Address, ...]:
    name = f"{where.removeprefix('seed.')}.dns"
    servers = _list(_get(table, where, "dns"), name, most=3)
    return tuple(_parsed(IPv4Address, server, where) for server in servers)


def _parsed(kind: Callable[[str], Address], value: object, where: str) -> Address:
    """Return an address from text; `ipaddress` would also take integers and bytes."""
    if not isinstance(value, str):
        raise SeedError(f"{where}: expected an address as text, got {repr(value)[:40]}")
    try:
        return kind(value)
    except ValueError as error:
        raise SeedError(f"{where}: {error}"[:200]) from error


def _mount(value: object, where: str) -> Mount:
    table = _dict(value, where)
    path = _text(table, where, "path", _PATH)
    if any(part in {".", ".."} for part in path.split("/")):
        raise SeedError(f"{where}.path: must not hold '.' or '..': {path!r}")
    device = _text(table, where, "device", _DEVICE)
    if ".." in device.split("/"):
        raise SeedError(f"{where}.device: must not hold '..': {device!r}")
    return Mount(
        device=device,
        path=path,
        fs_type=_text(table, where, "type", _FS_TYPE),
        options=_text(table, where, "options", _MOUNT_OPTIONS),
    )


def _notice(value: object, where: str) -> Notice:
    table = _dict(value, where)
    texts = []
    for name in ("en", "fr"):
        text = _get(table, where, name)
        if not isinstance(text, str) or len(text) > MAX_NOTICE_CHARS:
            raise SeedError(
                f"{where}.{name}: expected a text of at most {MAX_NOTICE_CHARS} characters"
            )
        # A notice ends up in terminals: nothing in it may steer them.
        texts.append("".join(c if c.isprintable() or c in _KEPT else " " for c in text))
    return Notice(en=texts[0], fr=texts[1])


def _language(value: object) -> Language:
    try:
        return Language(value)  # type: ignore[arg-type]  # any value may be asked for
    except ValueError as error:
        raise SeedError(f"seed.language: 'en' or 'fr', got {repr(value)[:40]}") from error


def _server(value: object) -> Server | None:
    if value is None:
        return None
    table = _dict(value, "seed.server")
    env = _dict(_get(table, "seed.server", "env"), "seed.server.env")
    for name, text in env.items():
        if not _ENV_NAME.fullmatch(name):
            raise SeedError(f"seed.server.env: {name[:80]!r} is not a name of a variable")
        _single_line(text, f"seed.server.env.{name[:80]}")
    args = _list(_get(table, "seed.server", "args"), "server.args")
    return Server(
        env=dict(env),
        args=tuple(_single_line(arg, f"seed.server.args[{i}]") for i, arg in enumerate(args)),
    )


def _share(value: object) -> Share | None:
    try:
        return None if value is None else parse_share(value)
    except FormatError as error:
        raise SeedError(f"seed.{error}") from error


def _single_line(value: object, where: str) -> str:
    """Return text that an environment file and a shell line can hold; shows nothing of it."""
    if not isinstance(value, str):
        raise SeedError(f"{where}: expected a text")
    # systemd drops variables with other control characters without a word (env_value_is_valid);
    # a lone surrogate is not UTF-8.
    if any((ord(c) < 32 and c != "\t") or c == "\x7f" or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise SeedError(f"{where}: holds a line break or another control character")
    return value
