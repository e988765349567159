"""What the planner knows of this host, and when it asks again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmlab.errors import HostError
from vmlab.paths import Paths
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.planning import Planner
from vmlab.providers.qemu.process.accelerator import DEADLINES
from vmlab.providers.qemu.warm.pool import Pool


async def test_a_question_that_failed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = QemuOptions.of((("accelerator", "tcg"),))
    paths = Paths(tmp_path / "state", tmp_path / "cache")
    pool = Pool(paths.pool, paths.pool_failed)
    planner = Planner(options, paths, tmp_path / "doors", DEADLINES, pool)
    known = await planner.host()
    assert await planner.host() is known
    monkeypatch.setenv("PATH", str(tmp_path))
    for _ in range(2):
        with pytest.raises(HostError, match="is not installed"):
            await planner.host()
