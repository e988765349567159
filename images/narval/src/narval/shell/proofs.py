"""How the shell's requests and answers prove the acquisition's secret, which does not travel. Pure.

The server gives a challenge, that is used once, with a refusal (401, `WWW-Authenticate`). The
client's next request has in `Authorization` that challenge, one of its own, and its proof for both,
for where the user is and for the command: nobody on the way can change these. The answer has the
server's proof in `Narval-Proof`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from narval.control.proof import Side, is_same, new_challenge, prove

SCHEME = "Narval"
PROOF_HEADER = "Narval-Proof"
DIRECTORY_HEADER = "Narval-Directory"
LIFETIME_S = 60.0

_MAX_CHALLENGES = 1000
_WORD = re.compile(r'(challenge|own|proof)="([0-9a-f]{64})"')


def make_invitation(challenge: str) -> str:
    """Return the value of `WWW-Authenticate`."""
    return f'{SCHEME} challenge="{challenge}"'


def make_authorization(secret: str, challenge: str, own: str, directory: str, line: str) -> str:
    """Return the value of `Authorization` for a command."""
    proof = prove(secret, Side.CLIENT, challenge, own, directory, line)
    return f'{SCHEME} challenge="{challenge}", own="{own}", proof="{proof}"'


def read_words(header: str) -> dict[str, str]:
    """Return the words of one of these headers, without those that are not ours."""
    scheme, _, rest = header.partition(" ")
    return dict(_WORD.findall(rest)) if scheme == SCHEME else {}


def prove_answer(secret: str, words: dict[str, str], text: str) -> str:
    """Return the value of `Narval-Proof` for the answer to a request with these words."""
    return prove(secret, Side.SERVER, words["challenge"], words["own"], text)


class Gate:
    """Lets in who proves the secret for a challenge that was given a moment ago."""

    def __init__(self, secret: str, now: Callable[[], float] = time.monotonic) -> None:
        self._secret = secret
        self._now = now
        self._given: dict[str, float] = {}  # in the order of time

    def invite(self) -> str:
        """Return `WWW-Authenticate` with a new challenge."""
        while len(self._given) >= _MAX_CHALLENGES:
            del self._given[next(iter(self._given))]
        challenge = new_challenge()
        self._given[challenge] = self._now()
        return make_invitation(challenge)

    def admit(self, authorization: str, directory: str, line: str) -> dict[str, str] | None:
        """Return the words of a request that proves the secret; None for any other."""
        words = read_words(authorization)
        if words.keys() != {"challenge", "own", "proof"}:
            return None
        given_at = self._given.pop(words["challenge"], None)
        if given_at is None or self._now() - given_at > LIFETIME_S:
            return None
        said = (words["challenge"], words["own"], directory, line)
        return words if is_same(words["proof"], prove(self._secret, Side.CLIENT, *said)) else None
