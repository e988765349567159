"""What the agent raises on purpose.

AgentError
├── ApplyError      the machine could not be made as the seed says
│   └── HomeAwayError   the home is on a file server, which is away
└── DeliveryError   a course could not be fetched or delivered; tried again later
    └── RefusedError    what the hub sent is not a course that a machine takes; not tried again

What the host or the hub sent in a wrong form is a `FormatError` of vmlab_protocol.

Messages go to the operator; none ever holds a secret.
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of all errors raised on purpose."""


class ApplyError(AgentError):
    """The machine could not be made as the seed says."""


class HomeAwayError(ApplyError):
    """The home is on a file server that does not answer, or does not let it be mounted."""


class DeliveryError(AgentError):
    """A course could not be fetched or delivered."""


class RefusedError(DeliveryError):
    """What the hub sent is not a course that a machine takes: sending it again would not help."""
