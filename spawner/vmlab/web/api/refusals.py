"""What people outside are told of errors: what they can understand, nothing of the host."""

from __future__ import annotations

from tornado import web

from vmlab.errors import (
    LabError,
    MachineConflictError,
    MachineNotFoundError,
    UnsupportedError,
    VolumeConflictError,
    VolumeNotFoundError,
)

_SHOWN = 500
_NEUTRAL = "This cannot be done at the moment; nothing was changed. The hub's log says why."


def volume_refusal(error: LabError) -> web.HTTPError:
    """Return the answer to an operation on a volume that was refused.

    Tools' messages, with paths of the host in them, stay in the log.
    """
    if isinstance(error, VolumeNotFoundError):
        return web.HTTPError(404, error.message[:_SHOWN])
    if isinstance(error, VolumeConflictError):
        return web.HTTPError(409, error.message[:_SHOWN])
    return web.HTTPError(503, error.public.en if error.public else _NEUTRAL)


def machine_refusal(error: LabError) -> web.HTTPError:
    """Return the answer to what was refused about a machine; as `volume_refusal`."""
    if isinstance(error, MachineNotFoundError | UnsupportedError):
        return web.HTTPError(404, error.message[:_SHOWN])
    if isinstance(error, MachineConflictError):
        return web.HTTPError(409, error.message[:_SHOWN])
    return web.HTTPError(503, error.public.en if error.public else _NEUTRAL)
