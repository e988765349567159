"""Stopping machines that nobody works in, counted from hand-over, by what their agents say.

jupyterhub-idle-culler decides by the hub's `last_activity`, which a forgotten browser tab keeps
fresh and an SSH session does not, and it can neither be given another measure nor send a warning;
so VMLab decides, and only the stop is the hub's (docs/decisions/0008).

    decide      which machines are warned and stopped
    driver      asks the machines, warns, stops
    break_file  a break, kept in STATE/idle.json
"""

from vmlab.upkeep.idle.decide import (
    Desk,
    IdleAction,
    IdleDecision,
    IdleFacts,
    IdleRules,
    decide_idle,
)

__all__ = ["Desk", "IdleAction", "IdleDecision", "IdleFacts", "IdleRules", "decide_idle"]
