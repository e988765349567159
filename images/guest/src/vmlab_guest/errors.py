"""What the agent raises on purpose.

AgentError
├── SeedError       the seed breaks its format: which field, what was expected
├── ApplyError      the machine could not be made as the seed says
└── DeliveryError   a course could not be fetched or delivered; tried again later
    └── RefusedError    what the hub sent is no course that a machine takes; not tried again

Messages go to the operator; none ever holds a secret.
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of all errors raised on purpose."""


class SeedError(AgentError):
    """The seed breaks its format."""


class ApplyError(AgentError):
    """The machine could not be made as the seed says."""


class DeliveryError(AgentError):
    """A course could not be fetched or delivered."""


class RefusedError(DeliveryError):
    """What the hub sent is no course that a machine takes: sending it again would not help."""
