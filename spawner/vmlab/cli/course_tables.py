"""How `vmlab course` shows what a push sends and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vmlab.cli.common import make_table, out, plain, print_table
from vmlab.courses.review import Remark, Review, show_size
from vmlab.database.obstacles import describe
from vmlab_protocol.receipts import Obstacle, Reason

_SHOWN_FILES = 40
_KEPT, _TROUBLE = "kept because edited", "not in place"


def print_review(review: Review) -> None:
    """Print what is delivered, what is not and why, and what is doubtful."""
    total = show_size(sum(size for _, size in review.delivered))
    _print_lines(
        f"Delivered to trainees ({len(review.delivered)}, {total}):",
        [f"{path}  {show_size(size)}" for path, size in review.delivered],
    )
    _print_lines("On the machines for the checks, not in home folders:", [*review.machine_only])
    _print_lines("Not delivered:", _lines(review.left_out))
    _print_lines("Please check:", _lines(review.doubts))


def print_status(course: str, facts: dict[str, Any]) -> None:
    """Print who has which version of a course."""
    receipts, newest = facts["receipts"], facts["version"]
    state = f"withdrawn (version {newest})" if facts["removed"] else f"newest version {newest}"
    out().print(plain(f"{course}, {state}"))
    if not receipts:
        out().print("No machine has received it yet.")
        return
    has_trouble = any(r["obstacles"] or r["refused"] for r in receipts)
    titles = ["trainee", "version", "delivered", _KEPT, *([_TROUBLE] * has_trouble)]
    table = make_table(*titles, free=(_KEPT, _TROUBLE))
    for receipt in receipts:
        at = datetime.fromtimestamp(receipt["at"]).astimezone()
        old = " (old)" if 0 < receipt["version"] < newest else ""
        who = f"{receipt['user']}/{receipt['server']}" if receipt["server"] else receipt["user"]
        version = f"{receipt['version'] or 'none'}{old}"
        cells = [who, version, f"{at:%Y-%m-%d %H:%M}", ", ".join(receipt["kept"])]
        table.add_row(*map(plain, cells), *([plain(_trouble(receipt), most=1000)] * has_trouble))
    print_table(table)


def _trouble(receipt: dict[str, Any]) -> str:
    lines = []
    if receipt["refused"]:
        lines.append(f"version {receipt['refused_version']} was refused: {receipt['refused']}")
    for each in receipt["obstacles"]:
        obstacle = Obstacle(each["path"], Reason(each["reason"]), each["beside"])
        lines.append(describe(obstacle).en)
    return "; ".join(lines)


def _lines(remarks: tuple[Remark, ...]) -> list[str]:
    return [f"{remark.path}  {remark.words}" for remark in remarks]


def _print_lines(title: str, lines: list[str]) -> None:
    if not lines:
        return
    out().print(title)
    for line in lines[:_SHOWN_FILES]:
        out().print("  ", plain(line, most=400), sep="")
    if len(lines) > _SHOWN_FILES:
        out().print(f"  and {len(lines) - _SHOWN_FILES} more")
