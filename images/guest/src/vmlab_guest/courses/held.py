"""How a delivery went: what could not go to its place, why, and where it is instead. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from vmlab_guest.errors import DeliveryError
from vmlab_protocol.outside import load_json
from vmlab_protocol.receipts import MAX_TEXT_CHARS, Obstacle, Reason


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery; `removed` files were no longer in the course."""

    held: tuple[Obstacle, ...] = ()
    removed: int = 0

    @property
    def kept(self) -> tuple[str, ...]:
        """The files that the trainee had edited."""
        return tuple(h.path for h in self.held if h.reason is Reason.EDITED)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What could not go to its place for another reason."""
        return tuple(h for h in self.held if h.reason is not Reason.EDITED)

    @property
    def is_complete(self) -> bool:
        """Whether every text is in the home, in its place or beside it."""
        return all(h.beside for h in self.obstacles)


def dump_outcome(outcome: Outcome) -> str:
    """Return what the helper process prints."""
    return json.dumps(asdict(outcome))


def parse_outcome(output: bytes) -> Outcome:
    """Return what the helper printed; it belongs to the trainee, so nothing is sure.

    Raises:
        DeliveryError: it printed something else.
    """
    try:
        said = load_json(output)
        held = tuple(_parse_held(row) for row in said["held"])
        removed = said["removed"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeliveryError("the delivery helper did not say what it did") from error
    if type(removed) is not int or removed < 0:
        raise DeliveryError("the delivery helper did not say how many files it removed")
    return Outcome(held, removed)


def _parse_held(row: Any) -> Obstacle:
    path, beside = row["path"], row["beside"]
    for text in (path, beside):
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
            raise ValueError("no path")
    return Obstacle(path, Reason(row["reason"]), beside)
