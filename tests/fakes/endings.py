"""What a Python process leaves to the collections that it makes at its end."""

from __future__ import annotations

import subprocess
import sys

# Registered first, so it is called last.
_TELL = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))
"""


def frozen_at_end(code: str) -> int:
    """Run this code as a program; return how many objects its last collections leave alone."""
    done = subprocess.run(
        [sys.executable, "-c", _TELL + code], capture_output=True, text=True, check=True
    )
    return int(done.stderr.splitlines()[-1])
