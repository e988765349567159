"""Keeping hub and provider consistent, both ways: at hub start and every minute.

`decide` is pure: facts in, actions out. `driver` reads the facts, carries the actions out and says
why in the log. Rules and their reasons: docs/decisions/0007.

    facts           what the reconciler knows and may decide
    decide          facts in, actions out
    driver          reads the facts and carries the actions out
    hub_side        the hub's side of the facts
    volume_holders  the registry's side
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
