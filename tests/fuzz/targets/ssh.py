"""What people paste as their key, and what the two ends of SSH through the hub's address read."""

from __future__ import annotations

import contextlib
import json

from fuzz.target import check, check_text, scratch, target
from vmlab.ssh.control import parse_request
from vmlab.ssh.kin import KinKeys
from vmlab.ssh.program import Frames, Trouble, make_frame, make_settings, read_head
from vmlab.ssh.public_keys import KeyRefusedError, read_public_key
from vmlab_protocol.errors import FormatError

_KEYS = "vmlab.ssh.public_keys"
_PROGRAM = "vmlab.ssh.program"


@target(
    "ssh-public-key",
    KeyRefusedError,
    parsers=(f"{_KEYS}:read_public_key", f"{_KEYS}:_split", f"{_KEYS}:PublicKey.fingerprint"),
)
def ssh_public_key(data: bytes) -> None:
    """A key goes into authorized_keys as a line: it must be one, without options."""
    key = read_public_key(data.decode("utf-8", "surrogateescape"))
    check_text(key.kind, key.data)
    check(key.line.startswith(("ssh-", "ecdsa-", "sk-")), key.line)
    check(len(key.line.splitlines()) == 1, key.line)
    check(read_public_key(key.line) == key, key.line)
    check(len(key.fingerprint) == 50, key.fingerprint)


@target("ssh-request", FormatError, parsers=("vmlab.ssh.control:parse_request",))
def ssh_request(data: bytes) -> None:
    request = parse_request(data)
    check_text(request.about)
    check(parse_request(request.line()) == request, request)


@target("kin-key", parsers=("vmlab.ssh.kin:KinKeys.find",))
def kin_key(data: bytes) -> None:
    """A damaged key is one that is made again."""
    folder = scratch("ssh-keys")
    (folder / "kin").mkdir(exist_ok=True)
    (folder / "kin/desk").write_bytes(data)
    key = KinKeys(folder).find("desk")
    if key is not None:
        (key.private + key.public).encode()


@target(
    "ssh-frames",
    Trouble,
    parsers=(f"{_PROGRAM}:Frames.next", f"{_PROGRAM}:read_head", f"{_PROGRAM}:make_frame"),
    is_text=False,
)
def ssh_frames(data: bytes) -> None:
    """What a hub sends: the head of an answer, then messages, cut anywhere."""
    pieces = iter([data[:100], data[100:], b""])
    _, rest = read_head(lambda: next(pieces, b""))
    frames, whole = Frames(), Frames(rest)
    found = []
    for at in range(0, len(rest), 7):
        frames.feed(rest[at : at + 7])
        with contextlib.suppress(Trouble):
            while message := frames.next():
                found.append(message)
    for kind, content in found:
        check(whole.next() == (kind, content), content)
        check(len(make_frame(kind, content)) > len(content), content)


@target("ssh-setup", Trouble, parsers=(f"{_PROGRAM}:make_settings",))
def ssh_setup(data: bytes) -> None:
    """Words of a line to paste: nothing of them may be a setting of ssh's of its own."""
    url, name, *keys = [*data.decode("utf-8", "replace").split("\n"), "", ""][:10]
    try:
        config, known = make_settings(url, name, [key for key in keys if key], "program")
    except ValueError as error:  # an address that no library reads
        raise Trouble(str(error)) from error
    hub, signer = known.splitlines()
    check(len(hub.split()) == 3, known)
    check(len(signer.split()) == 4, known)
    machines = len(signer.split()[1].split(","))
    aliases = config.count("    HostKeyAlias ") - 1  # and the hub's
    check(1 <= aliases <= machines, config)
    check(len(config.splitlines()) - 2 * aliases in {15, 16}, config)
    json.dumps(config)
