"""What a run of tests says about its time."""

from __future__ import annotations

from run_times import SLOWEST, sum_up


def test_the_slowest_come_first_and_folders_are_added_up() -> None:
    times_s = {f"tests/hub/test_a.py::test_{number}": float(number) for number in range(20)}
    times_s |= {"tests/unit/cli/test_b.py::test_b[x/y]": 100.0, "tests/unit/test_c.py::test_c": 1.0}
    lines = [" ".join(line.split()) for line in sum_up(times_s)]
    assert lines[:2] == [
        "100.0 s tests/unit/cli/test_b.py::test_b[x/y]",
        "19.0 s tests/hub/test_a.py::test_19",
    ]
    assert lines[SLOWEST:] == ["190.0 s tests/hub (20 tests)", "101.0 s tests/unit (2 tests)"]
