"""Templates: booted machines that were parked, to be cloned (docs/decisions/0006).

VMLAB_CACHE/templates/KEY-RANDOM/ (docs/protocols.md, section 5): the memory file, the devices'
state, the root disk of that moment, and `template.json`, without which the folder is none. Nothing
in it is secret: a template was never seeded.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vmlab.errors import LabError
from vmlab.providers.facts import Measured
from vmlab.providers.qemu.machine.machine import TemplateFiles
from vmlab.providers.qemu.process.plan import TemplateKind
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

RECORD = "template.json"
RECORD_VERSION = 1

MAX_FAILURES = 3
"""Of different machines, with no success between them; each has cost its trainee a wait."""

_FAILURES = "failures"

_log = logging.getLogger(__name__)


class TemplateError(LabError):
    """There is no template that can be cloned; says why. A machine boots instead."""


@dataclass(frozen=True)
class Template(TemplateFiles):
    """A parked machine on disk."""

    kind: TemplateKind
    marks: Mapping[str, list[int]]  # of each file: size, time of last change in ns, inode
    parked_at: float  # seconds since the epoch
    measured: Measured | None = None


def find_template(templates: Path, kind: TemplateKind) -> Template:
    """Return the newest whole template of this kind.

    Raises:
        TemplateError: there is none, or it is damaged; says what is different or damaged.
    """
    found = list_templates(templates)
    matching = [template for template in found if template.kind == kind]
    if not matching:
        raise TemplateError(
            f"no template of image {kind.image!r} {kind.image_version}: {_tell(found, kind)}",
            hint=f"vmlab image template {kind.image}",
        )
    newest = max(matching, key=lambda template: template.parked_at)
    check_marks(newest)
    return newest


def find_cloneable(templates: Path, kind: TemplateKind, machine: str) -> Template | None:
    """Return the template that this machine is to be a clone of; without one, the log says why."""
    try:
        template = find_template(templates, kind)
    except TemplateError as error:
        _log.warning("%s boots instead of being cloned: %s", machine, error)
        return None
    if is_suspect(template):
        _log.warning(
            "%s boots instead of being cloned: the last clones of %s did not start; "
            "it is tried again when the host is idle",
            machine,
            template.folder,
        )
        return None
    return template


def list_templates(templates: Path) -> list[Template]:
    """Return all templates; folders without a readable record are left out."""
    found = []
    for record in sorted(templates.glob(f"*/{RECORD}")):
        try:
            found.append(_parse(load_json(record.read_bytes()), record.parent))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s is not readable, so no machine is cloned from it: %s", record, error)
    return found


def check_marks(template: Template) -> None:
    """Make sure that nobody touched a template's files since they were written.

    Their time of last change cannot be set by hand (inode(7), ctime), so that not even a QEMU that
    was broken out of could change the memory that other machines begin with.

    Raises:
        TemplateError: names the file and what is wrong.
    """
    for name, mark in template.marks.items():
        path = template.folder / name
        try:
            found = read_mark(path)
        except OSError as error:
            raise TemplateError(f"the template's {path} is gone: {error.strerror}") from error
        if found[0] != mark[0]:
            raise TemplateError(f"the template's {path} has {found[0]} bytes instead of {mark[0]}")
        if found != mark:
            raise TemplateError(f"the template's {path} was changed after it was made")


def read_mark(path: Path) -> list[int]:
    """Return what tells that a file is still the same: size, change time in ns, inode."""
    stat = path.stat()
    return [stat.st_size, stat.st_ctime_ns, stat.st_ino]


def write_template(template: Template) -> None:
    """Write the record, which is what makes the folder a template."""
    body = {"version": RECORD_VERSION, **asdict(template)}
    del body["folder"]
    write_atomic(template.folder / RECORD, json.dumps(body, indent=1).encode(), mode=0o644)


def drop_template(template: Template) -> None:
    """Make it a template no longer and free its memory file.

    Its root disk stays: disks of machines may be based on it.
    """
    (template.folder / RECORD).unlink(missing_ok=True)
    for path in (template.memory, template.devices):
        path.unlink(missing_ok=True)


def _parse(body: Any, folder: Path) -> Template:
    if body["version"] != RECORD_VERSION:
        raise ValueError(f"version {body['version']} instead of {RECORD_VERSION}")
    measured = body["measured"]
    return Template(
        folder=folder,
        kind=as_facts(TemplateKind, body["kind"]),
        marks={str(name): [int(n) for n in mark] for name, mark in body["marks"].items()},
        parked_at=float(body["parked_at"]),
        measured=as_facts(Measured, measured) if measured else None,
    )


def _tell(found: list[Template], kind: TemplateKind) -> str:
    """Return in what the nearest template differs."""
    wanted = asdict(kind)
    same_image = [t for t in found if t.kind.image == kind.image]
    if not same_image:
        return "none was made"
    differences = [
        [f"{name} {value!r}" for name, value in asdict(t.kind).items() if value != wanted[name]]
        for t in same_image
    ]
    nearest = min(differences, key=len)
    return f"the nearest one is of {', '.join(nearest)}"


# -- clones that did not start --------------------------------------------------------------
#
# One of them says little: its host was busy, or it was killed. So a template is not thrown away for
# it. When several machines in a row failed, others boot instead, and at a quiet moment a clone is
# tried (parking.py): only when that fails, too, the template goes.


def note_failure(template: Template, machine: str) -> None:
    """Remember that this machine did not start as its clone."""
    folder = template.folder / _FAILURES
    if template.folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / machine).touch()


def clear_failures(template: Template) -> None:
    """Forget all failures: a clone of it started."""
    for name in find_failures(template):
        (template.folder / _FAILURES / name).unlink(missing_ok=True)


def find_failures(template: Template) -> list[str]:
    """Return the machines that did not start as its clones since the last one that did."""
    folder = template.folder / _FAILURES
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def is_suspect(template: Template) -> bool:
    """Tell whether machines had better boot until the template has been tried."""
    return len(find_failures(template)) >= MAX_FAILURES
