"""A pytest plugin: tells at the end of a long run where its time went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest

SLOWEST = 15
WORTH_TELLING_S = 60.0  # a run of a few tests is not about this


def folder_of(test: str) -> str:
    """Return the folder below tests/ of a test's id: `tests/unit/api/test_x.py::test_y`."""
    return "/".join(test.split("::", maxsplit=1)[0].split("/")[:2])


def sum_up(times_s: Mapping[str, float]) -> list[str]:
    """Return lines about times of tests by id: the slowest ones, and sums of each folder."""
    slowest = sorted(times_s.items(), key=lambda each: -each[1])[:SLOWEST]
    sums_s, tests = defaultdict[str, float](float), Counter[str]()
    for test, time_s in times_s.items():
        sums_s[folder_of(test)] += time_s
        tests[folder_of(test)] += 1
    return [f"{time_s:7.1f} s  {test}" for test, time_s in slowest] + [
        f"{time_s:7.1f} s  {folder} ({tests[folder]} tests)"
        for folder, time_s in sorted(sums_s.items(), key=lambda each: -each[1])
    ]


class RunTimes:
    """Adds up what each test took: a fixture's time belongs to the test that came first."""

    def __init__(self) -> None:
        self._times_s = defaultdict[str, float](float)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._times_s[report.nodeid] += report.duration

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if sum(self._times_s.values()) < WORTH_TELLING_S:
            return
        terminalreporter.section(f"{SLOWEST} slowest tests, sums of folders")
        for line in sum_up(self._times_s):
            terminalreporter.write_line(line)
