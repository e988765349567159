"""What a trainee must be told, for terminals and for `lab` in notebooks.

    /run/vmlab/notices.json      [{"id", "en", "fr"}]
    /run/vmlab/notices.d/ID.fr   the same as plain text, for the shell
    /run/vmlab/notices-seen/ID   the trainee saw it, wherever; gone with the boot

The record of what was seen is in /run: a notice that comes again with a later start is news.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.machine import TRAINEE_UID
from vmlab_protocol.notices import Notice
from vmlab_protocol.outside import load_json

PROFILE_SCRIPT = """\
# Written by the VMLab agent: shows each notice once in a terminal.
if [ -d /run/vmlab/notices.d ] && [ -t 1 ]; then
    vmlab_language=$(cat /run/vmlab/language 2>/dev/null || echo en)
    for vmlab_notice in /run/vmlab/notices.d/*."$vmlab_language"; do
        [ -f "$vmlab_notice" ] || continue
        vmlab_seen=/run/vmlab/notices-seen/$(basename "$vmlab_notice" ".$vmlab_language")
        if [ ! -e "$vmlab_seen" ]; then
            printf '\\n'; cat "$vmlab_notice"; printf '\\n'
            : 2>/dev/null > "$vmlab_seen" || true
        fi
    done
    unset vmlab_language vmlab_notice vmlab_seen
fi
"""


def notice_id(notice: Notice) -> str:
    """Return a name for the notice that follows from its text."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL: not before the agent's first word

    return hashlib.sha256(f"{notice.en}\0{notice.fr}".encode()).hexdigest()[:16]


def apply_notices(system: System, notices: Sequence[Notice]) -> None:
    """Write the notices where terminals and notebooks find them.

    Raises:
        OSError: the file system refused.
    """
    run = system.root / RUN
    seen = run / "notices-seen"
    seen.mkdir(parents=True, exist_ok=True)
    system.give(seen, TRAINEE_UID)
    with _alone(run):
        _write_notices(run, notices)
    ensure_file(inside(system, "/etc/profile.d/vmlab-notices.sh"), PROFILE_SCRIPT)


def add_notice(system: System, notice: Notice) -> None:
    """Tell one thing more.

    Raises:
        OSError: the file system refused.
    """
    change_notice(system, None, notice)


def change_notice(system: System, old: Notice | None, new: Notice | None) -> None:
    """Tell something else in place of what was told, or something more, or one thing less.

    Raises:
        OSError: the file system refused.
    """
    run = system.root / RUN
    with _alone(run):
        kept = [notice for notice in _read_notices(run) if notice != old]
        _write_notices(run, [*kept, *([new] if new else [])])


@contextmanager
def _alone(run: Path) -> Generator[None]:
    """Keep others from changing the notices meanwhile: agent and zygote both have some to tell."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / "notices.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_notices(run: Path) -> list[Notice]:
    try:
        table = load_json((run / "notices.json").read_bytes())
        return [Notice(str(row["en"]), str(row["fr"])) for row in table]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []  # none yet; or the trainee, who is root here, has written something else there


def _write_notices(run: Path, notices: Sequence[Notice]) -> None:
    names = {notice_id(notice): notice for notice in notices}
    folder = run / "notices.d"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.stem not in names:
            old.unlink()
    for name, notice in names.items():
        ensure_file(folder / f"{name}.en", f"{notice.en}\n")
        ensure_file(folder / f"{name}.fr", f"{notice.fr}\n")
    table = [{"id": name, "en": n.en, "fr": n.fr} for name, n in names.items()]
    ensure_file(run / "notices.json", json.dumps(table, ensure_ascii=False) + "\n")
