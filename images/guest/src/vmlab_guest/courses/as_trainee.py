"""Running the delivery as the trainee, in a process that has nothing of ours but its arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vmlab_guest.courses.held import Outcome, parse_outcome
from vmlab_guest.errors import DeliveryError
from vmlab_protocol.machine import HOME, TRAINEE_UID

_DELIVERY_S = 120.0


def deliver_as_trainee(original: Path | None, name: str, version: int) -> Outcome:
    """Deliver a version, or take the course back when there is no original.

    Raises:
        DeliveryError: it failed; nothing was lost.
    """
    module = "vmlab_guest.courses.deliver"
    argv = [sys.executable, "-I", "-m", module, str(original or "-"), HOME, name, str(version)]
    try:
        done = subprocess.run(
            argv,
            user=TRAINEE_UID,
            group=TRAINEE_UID,
            extra_groups=[],
            umask=0o022,
            env={"HOME": HOME, "PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            capture_output=True,
            timeout=_DELIVERY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeliveryError(f"the delivery cannot run: {error}") from error
    if done.returncode != 0:
        raise DeliveryError(done.stderr.decode(errors="replace").strip()[-300:])
    return parse_outcome(done.stdout)
