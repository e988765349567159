"""A pytest plugin: collects the attacks of a run and writes their table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

MARKER = "attack(promise, attack): plays an attack on a promise of SECURITY.md"


@dataclass(frozen=True)
class Attack:
    """One attack, as it was played."""

    promise: str
    attack: str
    tried: int
    result: str  # held, BROKEN or not played


def make_table(attacks: list[Attack], promises: dict[str, str]) -> str:
    """Return the table of all promises, as Markdown; one that nothing attacked is shown too."""
    lines = ["| promise | attack | tried | result |", "| --- | --- | ---: | --- |"]
    for promise in promises:
        found = [each for each in attacks if each.promise == promise]
        lines += [
            f"| `{promise}` | {each.attack} | {each.tried} | {each.result} |" for each in found
        ] or [f"| `{promise}` | | 0 | not attacked in this run |"]
    return "\n".join(lines) + "\n"


def merge(attacks: list[Attack]) -> list[Attack]:
    """Return one row for each attack: a parametrised test's cases are added up."""
    merged: dict[tuple[str, str], Attack] = {}
    worst = ["held", "not played", "BROKEN"]
    for each in attacks:
        key = (each.promise, each.attack)
        before = merged.get(key, Attack(*key, 0, "held"))
        result = max(before.result, each.result, key=worst.index)
        merged[key] = Attack(*key, before.tried + each.tried, result)
    return list(merged.values())


class AttackTable:
    """Collects while tests run; writes the table at the end."""

    def __init__(self, path: Path, promises: dict[str, str]) -> None:
        self._path = path
        self._promises = promises
        self._attacks: list[Attack] = []

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report) -> None:
        found = dict(report.user_properties)
        if "attack" not in found or (report.when != "call" and report.passed):
            return
        result = {"passed": "held", "failed": "BROKEN", "skipped": "not played"}[report.outcome]
        tried = sum(n for name, n in report.user_properties if name == "tried") or 1
        promise, how = found["attack"]
        self._attacks.append(Attack(promise, how, tried, result))

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(make_table(merge(self._attacks), self._promises))
