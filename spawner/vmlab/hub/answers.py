"""What a hub answers when it does not do what was asked, as errors that people can use."""

from __future__ import annotations

from vmlab.errors import HostError
from vmlab.hub.access import HubAccess
from vmlab_protocol.outside import load_json

_SHOWN = 300
_HINTS = {
    401: "the token is unknown to this hub; `vmlab up` writes the command line's own",
    403: "the token does not allow this",
}
_OLDER = (
    "a hub that was started by an older VMLab does not know this: `vmlab down`, then `vmlab up`"
)
_NOT_FOUND = 404
_HINT = "see the hub's log, or check that this is the address of a hub with VMLab"


class HubAbsentError(HostError):
    """The hub does not answer: it does not run, or is being restarted."""

    def __init__(self, access: HubAccess, why: str) -> None:
        super().__init__(
            f"the hub at {access.url} does not answer: {why}",
            hint="is it running? `vmlab status` tells; `vmlab up` starts it",
        )


class HubRefusedError(HostError):
    """The hub refused.

    Args:
        call: method and path below `/hub/api/`.
        status: of HTTP.
        reason: the hub's own words; may be empty, or long.
    """

    def __init__(self, access: HubAccess, call: str, status: int, reason: str) -> None:
        is_plain = status == _NOT_FOUND and reason in {"", "Not Found"}  # tornado's own words
        self.is_unknown_call = is_plain and call.partition(" ")[2].startswith("vmlab/")
        """Whether this hub does not know what it was asked to do, as one of an older VMLab."""
        super().__init__(
            f"the hub at {access.url} refused {call}: {status} {reason[:_SHOWN]}".rstrip(),
            hint=_OLDER if self.is_unknown_call else _HINTS.get(status, _HINT),
        )
        self.status = status
        self.reason = reason


class HubUnclearError(HostError):
    """Something answered, and not as a hub does."""

    def __init__(self, access: HubAccess, call: str) -> None:
        super().__init__(
            f"the hub at {access.url} answered {call} with something other than an object",
            hint=_HINT,
        )


class StartFailedError(HostError):
    """A server did not start; the message is the hub's."""


def find_reason(content: bytes) -> str:
    """Return the hub's reason, as its API gives it; empty for anything else."""
    try:
        answer = load_json(content)
    except ValueError:
        return ""
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""
