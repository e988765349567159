"""Phase durations measured in earlier starts; a start works without them."""

from __future__ import annotations

import pytest

from vmlab.paths import Paths
from vmlab.spawning.history import StartHistory


@pytest.fixture
def database(tmp_path):
    return Paths(state=tmp_path, cache=tmp_path).database


async def test_the_next_start_knows_what_the_last_one_took(database):
    times = iter((0.0, 0.1, 2.0))
    history = StartHistory(database, "qemu/desk", clock=lambda: next(times))
    assert await history.medians_s() == {}
    await history.record({"boot": 30.0, "server": 5.0})
    await history.record({"boot": 1000.0})  # one of a class that starts at once
    await history.record({"boot": 40.0})
    assert await history.medians_s() == {"boot": 35.0, "server": 5.0}
    assert await StartHistory(database, "qemu/desk").medians_s() == {"boot": 35.0, "server": 5.0}
    assert await StartHistory(database, "fake/desk").medians_s() == {}


async def test_a_start_works_without_a_database(tmp_path, caplog):
    history = StartHistory(tmp_path / "gone" / "vmlab.sqlite", "qemu/desk")
    assert await history.medians_s() == {}
    await history.record({"boot": 30.0})
    assert "no ETA" in caplog.text
    assert "could not be stored" in caplog.text
