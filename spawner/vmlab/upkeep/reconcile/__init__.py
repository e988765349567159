"""Keeping hub and provider of one mind, both ways: at hub start and every minute.

`decide` is pure: facts in, actions out. `driver` reads the facts, carries the actions out and says
why in the log. Rules and their reasons: docs/decisions/0007.
"""

from vmlab.upkeep.reconcile.decide import decide
from vmlab.upkeep.reconcile.facts import (
    Action,
    ActionKind,
    Decision,
    Facts,
    HeldVolume,
    Seat,
    ServerToken,
)

__all__ = [
    "Action",
    "ActionKind",
    "Decision",
    "Facts",
    "HeldVolume",
    "Seat",
    "ServerToken",
    "decide",
]
