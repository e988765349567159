"""The hub's roles: who may do what, from lab.toml's accounts. Pure."""

from __future__ import annotations

from typing import Any, Final

from vmlab.hub.access import KEEPER_SCOPES, KEEPER_SERVICE
from vmlab.lab.lab import Lab

TRAINEES: Final = "trainees"
"""The hub's group of all trainees: what facilitators see."""

COURSES_SCOPE: Final = "custom:vmlab:courses"
CLI_SERVICE: Final = "vmlab-cli"

_CLI_SCOPES: Final = (
    COURSES_SCOPE,
    "list:users",
    "read:servers",
    "read:users:name",
    "read:hub",
    # `vmlab machine renew`
    "start:servers",
    "delete:servers",
)

# Without access:servers: help comes with the trainee's consent, not by walking
# into the trainee's session.
_FACILITATOR_SCOPES: Final = (
    "admin-ui",
    f"list:users!group={TRAINEES}",
    f"read:users!group={TRAINEES}",
    f"read:servers!group={TRAINEES}",
    f"admin:server_state!group={TRAINEES}",
    f"start:servers!group={TRAINEES}",
    f"delete:servers!group={TRAINEES}",
)


def make_roles(lab: Lab) -> list[dict[str, Any]]:
    """Return the hub's roles; the lists of users are exact, so leaving a list revokes."""
    accounts = lab.accounts
    return [
        {
            "name": "facilitator",
            "description": "sees the board, stops and starts the machines of trainees",
            "scopes": list(_FACILITATOR_SCOPES),
            "users": list(accounts.facilitators),
        },
        {
            "name": "trainer",
            "description": "a facilitator who also publishes courses",
            "scopes": [*_FACILITATOR_SCOPES, COURSES_SCOPE],
            "users": list(accounts.trainers),
        },
        {"name": "admin", "users": list(accounts.administrators)},
        {
            "name": CLI_SERVICE,
            "description": "the operator's command line",
            "scopes": list(_CLI_SCOPES),
            "services": [CLI_SERVICE],
        },
        {
            "name": KEEPER_SERVICE,
            "description": "what keeps machines in order, within the hub's own process",
            "scopes": list(KEEPER_SCOPES),
            "services": [KEEPER_SERVICE],
        },
    ]
