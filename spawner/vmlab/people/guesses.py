"""How often a password may be guessed, and until when nobody may. Pure except for its clock.

A browser that has logged in to an account before carries a cookie that says so, and is counted by
itself: others, wherever they are, cannot lock its owner out (docs/decisions/0014). All other
attempts are counted three times: for the account at this place, for the place, for the account.

ref: https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_FAILURES: Final = 5
"""Failed attempts per account and place, or per account and browser, within WINDOW_S."""

MAX_FAILURES_OF_AN_ACCOUNT: Final = 50
"""Failed attempts for one account from everywhere: as many as from ten places."""

MAX_FAILURES_OF_A_PLACE: Final = 100
"""Failed attempts from one address, whatever the account: a whole class may sit behind it. Beyond,
each account has one attempt left there, so that nobody can lock out everybody else."""

WINDOW_S: Final = 60.0
_MAX_KEYS: Final = 100_000
"""40 MB. No hub compares as many passwords within WINDOW_S: else failures for invented accounts
would push out those that count."""


@dataclass(frozen=True)
class Bound:
    """How many failures this key may have within WINDOW_S."""

    key: tuple[str, ...]
    most: int
    leaves: int = 0  # once `most` is reached: how many failures the first bound may still have


def make_bounds(account: str, place: str, browser: str = "") -> tuple[Bound, ...]:
    """Return what an attempt is counted for.

    Args:
        account: the name that was given.
        place: the client's address.
        browser: what its cookie for this account says, once that is known to be genuine.
    """
    if browser:
        return (Bound(("browser", account, browser), MAX_FAILURES),)
    place = find_place(place)
    return (
        Bound(("account at place", account, place), MAX_FAILURES),
        Bound(("place", place), MAX_FAILURES_OF_A_PLACE, leaves=1),
        Bound(("account", account), MAX_FAILURES_OF_AN_ACCOUNT),
    )


def find_place(address: str) -> str:
    """Return what is counted as one place: an address, of IPv6 the network that one client has."""
    address = address.partition("%")[0]  # of a neighbour: by which cable it came
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    # All of IPv4 is within one such network, as a web server that listens on [::] may write it.
    whole = found.ipv4_mapped or ipaddress.ip_network(f"{address}/64", strict=False)
    return str(whole)


class FailureLimit:
    """Counts failures in a sliding window; bounded in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()  # oldest first

    def note(self, bounds: tuple[Bound, ...]) -> None:
        """Count one failure."""
        now = self._clock()
        for bound in bounds:
            failures = self._failures.setdefault(bound.key, [])
            failures.append(now)
            del failures[: -bound.most]
            self._failures.move_to_end(bound.key)
        while len(self._failures) > _MAX_KEYS or self._oldest() + WINDOW_S < now:
            self._failures.popitem(last=False)

    def _oldest(self) -> float:
        return next(iter(self._failures.values()))[-1]

    def wait_s(self, bounds: tuple[Bound, ...]) -> float:
        """Return for how long no attempt is let through; 0: one is let through now."""
        most = bounds[0].most
        wait_s = 0.0
        for bound in bounds[1:]:
            bound_s = self._wait_s(bound.key, bound.most)
            if bound_s and bound.leaves:
                most = min(most, bound.leaves)
            else:
                wait_s = max(wait_s, bound_s)
        return max(wait_s, self._wait_s(bounds[0].key, most))

    def forgive(self, bounds: tuple[Bound, ...]) -> None:
        """Forget the failures of the first bound: those of the person who has now logged in."""
        self._failures.pop(bounds[0].key, None)

    def _wait_s(self, key: tuple[str, ...], most: int) -> float:
        failures = self._failures.get(key)
        if failures is None or len(failures) < most:
            return 0.0
        return max(0.0, failures[-most] + WINDOW_S - self._clock())
