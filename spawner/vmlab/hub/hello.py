"""How `vmlab doctor` recognises its own hub when it asks from outside. Pure.

`/hub/vmlab/hello` answers with what the request looked like when it arrived, and with a proof that
only this lab's hub can give: a code over their own random number, with a secret of the state
folder (docs/protocols.md, section 2).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from vmlab.system.outside import as_facts
from vmlab_protocol.outside import load_json

HELLO_PATH: Final = "/hub/vmlab/hello"
SOCKET_PATH: Final = "/hub/vmlab/hello/socket"
NONCE_PATTERN: Final = r"[0-9a-f]{32}"


@dataclass(frozen=True)
class Heard:
    """A hub's answer: what it knows of the request."""

    proof: str
    scheme: str  # that the browser used
    host: str  # the Host header, with the port
    client: str  # the address that logins are counted by


def make_proof(secret: str, nonce: str) -> str:
    """Return the code over a nonce, for a hub with this secret."""
    return hmac.new(secret.encode(), b"vmlab hello " + nonce.encode(), hashlib.sha256).hexdigest()


def is_nonce(text: str) -> bool:
    """Tell whether a text can be a nonce."""
    return re.fullmatch(NONCE_PATTERN, text) is not None


def read_heard(text: bytes | str) -> Heard | None:
    """Return the answer of a hub, or None if something else answered."""
    try:
        return as_facts(Heard, load_json(text))
    except ValueError:
        return None
