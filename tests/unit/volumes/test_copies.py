"""How many copies of volumes are made at once, and what room all of them have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vmlab.errors import HostError
from vmlab.system.disk_space import FreeSpace
from vmlab.volumes import copies
from vmlab.volumes.copies import AT_ONCE, Copies

ROOM = FreeSpace(Path("/x"), 100_000, 4096 + 1000)  # 1000 MiB beside the reserve


def test_all_copies_together_have_what_is_spare() -> None:
    made = Copies()
    with made.kept("home-ada", ROOM, 600), made.kept("home-bob", ROOM, 400):
        assert made.promised_mib("home-ada") == 600
        with pytest.raises(HostError, match="a copy of home-eve"), made.kept("home-eve", ROOM, 1):
            pass
    assert made.promised_mib("home-ada") == 0
    with made.kept("home-eve", ROOM, 1000):
        pass


async def test_who_waits_for_a_turn_has_it_next_or_is_told(monkeypatch) -> None:
    made, order = Copies(), []

    async def copy(name: str) -> None:
        async with made.making():
            order.append(name)

    async with asyncio.TaskGroup() as waiting, made.making(), made.making():
        assert AT_ONCE == 2
        for name in ("ada", "bob"):
            waiting.create_task(copy(name))
        await asyncio.sleep(0)
        assert order == []
        monkeypatch.setattr(copies, "WAIT_S", 0)
        with pytest.raises(HostError, match="2 volumes are being copied") as told:
            await copy("eve")
        assert "Réessayez" in told.value.public.fr
    assert order == ["ada", "bob"]
