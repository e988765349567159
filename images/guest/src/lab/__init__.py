"""The trainees' library: check what you did, on the real machine.

In an exercise notebook:

    from lab import check
    check("user")

In a course's checks.py:

    from lab import Outcome, failed, passed, step

    @step("user")
    def user(name: str) -> Outcome:
        ...

`lab.space()` shows what takes the space in the home, `lab.snapshots()` its earlier states.
`lab.look` has ready-made functions for checks to look at the machine.
"""

from __future__ import annotations

from pkgutil import extend_path

# Other distributions bring checks of their own into this package: narval-stack `lab.acquisition`.
__path__ = extend_path(__path__, __name__)

from lab.cells import watch
from lab.checking import check
from lab.notices import show_unread
from lab.outcome import Outcome, failed, memory, passed, step
from lab.snapshots import snapshots
from lab.space import space

__all__ = ["Outcome", "check", "failed", "memory", "passed", "snapshots", "space", "step"]

watch()
show_unread()
