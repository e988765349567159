"""Bringing a version of a course into a trainee's home without ever losing the trainee's work.

Runs as the trainee (`python -m vmlab_guest.courses.deliver ORIGINAL HOME NAME VERSION`), so that
no link in a home can make root write elsewhere. Prints a `held.Outcome`. ORIGINAL is `-` when the
course was withdrawn.

Three-way: what was delivered last (its digest is on record), what is there now, what is new.

| now          | new text    | what happens                                        |
| ------------ | ----------- | --------------------------------------------------- |
| missing      | any         | written: a lost or deleted exercise comes back       |
| as delivered | other       | replaced by one rename                              |
| as delivered | none        | removed: it is no longer in the course               |
| edited       | none        | nothing                                             |
| edited       | as recorded | nothing                                             |
| edited       | other       | kept; the new text is put beside as `NAME.vN.ipynb` |
| an obstacle  | any         | left alone; the text is put beside, the reason told  |

A failure with one file does not affect the others. The record is written last: whatever point a
delivery is cut at, the next one finishes it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from vmlab_guest.courses.held import Outcome, dump_outcome
from vmlab_guest.courses.names import is_for_trainee
from vmlab_guest.courses.place import digest_of, look, put, put_beside, reason_of, remove
from vmlab_guest.courses.record import RECORD, Delivered, read_record, write_record
from vmlab_protocol.receipts import Obstacle, Reason


def deliver(original: Path | None, home: Path, name: str, version: int) -> Outcome:
    """Bring one version of a course into a home.

    Args:
        original: the unpacked course; None when it was withdrawn.

    Raises:
        OSError: the original cannot be read.
    """
    record = read_record(home)
    files = dict(record.get(name, {}))
    new = _list_files(original)
    held: list[Obstacle] = []
    # First: what is gone may have the name of a folder that comes, and the other way round.
    removed = 0
    for path in [path for path in files if path not in new]:
        if _remove_file(home, name, path, files[path]):
            del files[path]
            removed += 1
        elif (reason := _why_it_stays(home, f"{name}/{path}", files[path])) or original is None:
            held.append(Obstacle(path, reason or Reason.EDITED))
            if not reason:  # what comes with this name later is new to the trainee
                files[path] = Delivered("", version)
    for path, source in new.items():
        entry, problem = _deliver_file(source, home, name, path, version, files.get(path))
        if entry:
            files[path] = entry
        if problem:
            held.append(problem)
    if files != record.get(name, {}):
        record[name] = files
        try:
            write_record(home, record)
        except OSError as error:
            held.append(Obstacle(RECORD.as_posix(), reason_of(error)))
    return Outcome(tuple(held), removed)


def _list_files(original: Path | None) -> dict[str, Path]:
    """Return what goes into the home, by path, sorted.

    Raises:
        OSError: it is not there; that must not be taken for a course without files.
    """
    if original is None:
        return {}
    if not (original / "course.toml").is_file():
        raise FileNotFoundError(f"{original} holds no course")
    places = sorted(path for path in original.rglob("*") if path.is_file())
    paths = {place.relative_to(original).as_posix(): place for place in places}
    return {path: place for path, place in paths.items() if is_for_trainee(path)}


def _remove_file(home: Path, name: str, path: str, last: Delivered) -> bool:
    """Remove what nobody edited, in its place and beside it; tell whether nothing of it stays."""
    for beside, digest in last.beside.items():
        remove(home, beside, {digest})
    place = f"{name}/{path}"
    return remove(home, place, last.digests) or look(home, place).is_free


def _why_it_stays(home: Path, place: str, last: Delivered) -> Reason | None:
    """Return why a file could not be removed; None when it is the trainee's by now."""
    found = look(home, place)
    if found.digest in last.digests:
        return Reason.FORBIDDEN
    return found.obstacle if found.obstacle in {Reason.FORBIDDEN, Reason.FAILED} else None


def _deliver_file(
    source: Path, home: Path, name: str, path: str, version: int, last: Delivered | None
) -> tuple[Delivered | None, Obstacle | None]:
    """Bring one file; return its new entry in the record, and why it is not in its place."""
    new, place = source.read_bytes(), f"{name}/{path}"
    digest = digest_of(new)
    offered = Delivered(digest, version, beside=last.beside if last else {})
    found = look(home, place)
    if found.digest == digest:
        return last if last and last.digest == digest and not last.kept else offered, None
    reason = found.obstacle or Reason.EDITED
    if found.is_free or (last is not None and found.digest in last.digests):
        offered = replace(offered, older=found.digest)
        problem = put(home, place, new)
        if problem is None:
            return replace(offered, older=""), None
        reason = problem
    elif last is not None and last.digest == digest and (known := _known(last, path, reason)):
        return last, known.held
    return _deliver_beside(new, home, place, Obstacle(path, reason), offered, last)


@dataclass(frozen=True)
class _Known:
    """Nothing is to be done: the trainee was offered this text before."""

    held: Obstacle | None


def _known(last: Delivered, path: str, reason: Reason) -> _Known | None:
    if last.kept and (last.beside or reason is Reason.EDITED):
        return _Known(Obstacle(path, reason, last.lies_beside))
    if not last.kept and reason in {Reason.EDITED, Reason.UNREADABLE}:
        return _Known(None)  # they have made another text of it
    return None


def _deliver_beside(
    new: bytes, home: Path, place: str, held: Obstacle, offered: Delivered, last: Delivered | None
) -> tuple[Delivered | None, Obstacle]:
    if held.reason is Reason.NO_ROOM:
        return last, held
    where, problem = put_beside(home, place, offered.version, new)
    if not where:
        return last, replace(held, reason=problem)
    others = {at: digest for at, digest in offered.beside.items() if at != where}
    entry = replace(offered, kept=True, beside={**others, where: offered.digest})
    return entry, replace(held, beside=where)


def main(arguments: list[str]) -> int:
    """Run one delivery; print its result as JSON, or the reason of a failure."""
    original, home, name, version = arguments
    try:
        source = None if original == "-" else Path(original)
        outcome = deliver(source, Path(home), name, int(version))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(dump_outcome(outcome) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
