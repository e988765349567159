"""Proofs that somebody knows the acquisition's secret, which itself never travels.

Who asks gives a challenge that is used once; who answers gives the HMAC-SHA-256 (RFC 2104) of it
under the secret. On control connections both sides ask: nobody gives orders to an impostor.
"""

from __future__ import annotations

import hmac
import json
import os
from enum import StrEnum


class Side(StrEnum):
    """Who answers; the proof of one is none of another, so it cannot be sent back."""

    CLIENT = "client"
    SERVER = "server"
    READER = "reader"  # of a link


def new_challenge() -> str:
    """Return 32 random bytes in hexadecimal digits."""
    return os.urandom(32).hex()


def prove(secret: str, side: Side, *said: str) -> str:
    """Return a side's proof for what was said: the challenges first, then what goes with them."""
    text = json.dumps([side, *said])
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()


def is_same(given: object, expected: str) -> bool:
    """Tell whether somebody gave what was expected, in a time that does not depend on it."""
    text = given if isinstance(given, str) else ""
    return hmac.compare_digest(text.encode(errors="surrogatepass"), expected.encode())
