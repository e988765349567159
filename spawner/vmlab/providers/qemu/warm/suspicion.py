"""Clones that did not come to life, noted on their template.

One of them says little: its host was busy, or it was killed. So a template is not thrown away for
it. When several machines in a row failed, others boot instead, and in a calm moment a clone is
tried (parking.py): only when that fails, too, the template goes.
"""

from __future__ import annotations

from vmlab.providers.qemu.warm.template import Template

MAX_FAILURES = 3
"""Of different machines, with no success between them; each has cost its trainee a wait."""

_FOLDER = "failures"


def note_failure(template: Template, machine: str) -> None:
    """Remember that this machine did not come to life as its clone."""
    folder = template.folder / _FOLDER
    if template.folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / machine).touch()


def clear_failures(template: Template) -> None:
    """Forget all failures: a clone of it came to life."""
    for name in find_failures(template):
        (template.folder / _FOLDER / name).unlink(missing_ok=True)


def find_failures(template: Template) -> list[str]:
    """Return the machines that did not come to life as its clones since the last one that did."""
    folder = template.folder / _FOLDER
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def is_suspect(template: Template) -> bool:
    """Tell whether machines had better boot until the template has been tried."""
    return len(find_failures(template)) >= MAX_FAILURES
