"""How an error of ours becomes a start that the hub refuses."""

from __future__ import annotations

import errno

from jupyterhub.spawner import SpawnException

from vmlab import messages
from vmlab.errors import ConfigError, HostError, LabError
from vmlab.spawning.progress import make_bilingual_html

_UNAVAILABLE = 503
_FAILED = 500
_BAD_REQUEST = 400


def as_lab_error(machine: str, error: Exception) -> LabError:
    """Return an error that nobody expected as one of ours."""
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        return HostError(
            f"{machine}: no file descriptor is left on this host: {error}",
            hint="`vmlab doctor` says how many hub and proxy need for this lab",
        )
    return LabError(f"{machine}: unexpected {type(error).__name__}: {error}")


def make_refusal(error: LabError) -> SpawnException:
    """Return the error as the hub shows it: the trainee's sentence, the rest for the log."""
    status = _FAILED
    if isinstance(error, HostError):
        status = _UNAVAILABLE
    elif isinstance(error, ConfigError):
        status = _BAD_REQUEST
    saying = error.public or messages.FAILED
    refusal = SpawnException(
        saying.en,
        reason=type(error).__name__,
        log_message=str(error),
        message_html=make_bilingual_html(saying),
        status_code=status,
    )
    # The progress stream prints these, or else the message for the log (utils.format_exception).
    refusal.jupyterhub_message = saying.en
    refusal.jupyterhub_html_message = make_bilingual_html(saying)
    return refusal
