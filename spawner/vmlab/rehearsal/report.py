"""What became of a rehearsal: for programs, for a terminal, and as a page to hand over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from vmlab.rehearsal.differences import Difference

VERSION: Final = 1
"""Of the JSON."""

_LOG_LINES: Final = 20


class Kind(StrEnum):
    """The parts of a rehearsal, in their order."""

    PREPARE = "prepare"
    START = "start"
    CONFIGURE = "configure"
    COMPARE = "compare"
    CHECK = "check"
    TAKE_DOWN = "take down"


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # what it needs had failed
    STOPPED = "stopped"  # somebody ended the rehearsal


SIGNS: Final = {
    Outcome.DONE: "✓",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "○",
    Outcome.STOPPED: "■",
}
"""A shape beside the word: a colour alone tells nothing."""


@dataclass(frozen=True)
class Step:
    """One step."""

    kind: Kind
    what: str  # the machine, or the check's name
    outcome: Outcome
    seconds: float
    message: str = ""  # why it failed, in a line
    log: str = ""  # the end of what it printed, where it failed

    def __post_init__(self) -> None:
        lines = self.log.rstrip().splitlines()[-_LOG_LINES:]
        object.__setattr__(self, "log", "\n".join(lines))


@dataclass(frozen=True)
class Machine:
    """One machine of the rehearsal, as it was."""

    name: str
    role: str
    image: str  # with its version
    cpus: int
    memory_mib: int
    address: str = ""


@dataclass(frozen=True)
class Report:
    """All of it."""

    lab: str
    began: str  # ISO 8601
    seconds: float
    machines: tuple[Machine, ...] = ()
    steps: tuple[Step, ...] = ()
    differences: tuple[Difference, ...] = ()
    is_kept: bool = False  # not all of them were taken down

    @property
    def is_good(self) -> bool:
        """Whether everything was done, and everything is as described."""
        return not self.differences and all(step.outcome is Outcome.DONE for step in self.steps)

    @property
    def failed(self) -> tuple[Step, ...]:
        """The steps that failed."""
        return tuple(step for step in self.steps if step.outcome is Outcome.FAILED)


def make_json(report: Report) -> dict[str, Any]:
    """Return it for programs."""
    return {"version": VERSION, "good": report.is_good, **asdict(report)}


def summarise(report: Report) -> str:
    """Return it in one sentence."""
    seconds = f"in {show_seconds(report.seconds)}"
    if any(step.outcome is Outcome.STOPPED for step in report.steps):
        return f"The rehearsal of {report.lab} was stopped {seconds}."
    if report.is_good:
        return f"{report.lab} is as described, and all checks passed, {seconds}."
    parts = [
        _count(len(report.failed), "step failed", "steps failed"),
        _count(
            sum(step.outcome is Outcome.SKIPPED for step in report.steps),
            "step was skipped",
            "steps were skipped",
        ),
        _count(len(report.differences), "difference", "differences"),
    ]
    return f"{report.lab}, {seconds}: {', '.join(part for part in parts if part)}."


def make_markdown(report: Report) -> str:
    """Return it as a page for those who set up the real machines."""
    state = "Machines still run." if report.is_kept else "The machines were taken down."
    lines = [
        f"# Rehearsal of {_cell(report.lab)}",
        "",
        f"{_cell(summarise(report))} It began at {_cell(report.began)}. {state}",
        "",
        *_section(
            "Machines",
            ("machine", "role", "image", "processors", "memory", "address"),
            [
                (m.name, m.role, m.image, str(m.cpus), f"{m.memory_mib} MiB", m.address)
                for m in report.machines
            ],
            "There were none.",
        ),
        *_section(
            "What differs from the description",
            ("machine", "", "what", "described", "found"),
            [
                (each.machine, each.subject.value, each.what, each.described, each.found)
                for each in report.differences
            ],
            _no_differences(report),
        ),
        *_section(
            "Steps",
            ("step", "what", "outcome", "time"),
            [
                (
                    step.kind.value,
                    step.what,
                    f"{SIGNS[step.outcome]} {step.outcome.value}",
                    show_seconds(step.seconds),
                )
                for step in report.steps
            ],
            "There were none.",
        ),
        *_failures(report.failed),
    ]
    return "\n".join(lines).rstrip() + "\n"


def show_seconds(seconds: float) -> str:
    """Return a time span as people read it: 0.4 s, 12 s, 3 min 05 s."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _no_differences(report: Report) -> str:
    compared = any(
        step.kind is Kind.COMPARE and step.outcome is Outcome.DONE for step in report.steps
    )
    return "Nothing, as far as it was compared." if compared else "It was not compared."


def _failures(failed: Sequence[Step]) -> Iterator[str]:
    if not failed:
        return
    yield "## What failed"
    yield ""
    for step in failed:
        yield f"### {step.kind.value}: {_cell(step.what)}"
        yield ""
        if step.message:
            yield _cell(step.message)
            yield ""
        if step.log:
            # Indented: nothing that a machine printed ends this block.
            yield from (f"    {_plain(line)}" for line in step.log.splitlines())
            yield ""


def _section(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str
) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if rows:
        yield _row(head)
        yield _row(["---"] * len(head))
        yield from map(_row, rows)
    else:
        yield otherwise
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Return text from anywhere as one that Markdown shows as it is."""
    kept = _plain(" ".join(text.split()))
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in kept)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
