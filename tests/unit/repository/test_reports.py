"""Reports of tests on their way from a worker."""

from __future__ import annotations

import execnet
import pytest

from reports import sendable

REPORT = {"sections": [("Captured log", "odd \udcff: its record")], "outcome": "passed", "n": 1.5}


def test_a_report_of_a_test_that_wrote_an_odd_name_is_sent() -> None:
    with pytest.raises(execnet.DumpError):
        execnet.dumps(REPORT)
    received = execnet.loads(execnet.dumps(sendable(REPORT)))
    assert received == {**REPORT, "sections": [("Captured log", "odd \\udcff: its record")]}
