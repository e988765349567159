"""The hub's doors for machines, when they cannot be opened at first."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tornado.web import Application

from vmlab.errors import HostError
from vmlab.network import doors
from vmlab.network.doors import ensure_doors

NAMES = ("hub.sock", "proxy.sock")


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("broken", NAMES)
async def test_doors_that_could_not_be_opened_are_tried_again(short_folder, broken):
    """They stayed closed for as long as the hub ran, and nobody was told."""
    folder, application = short_folder / "doors", Application()
    obstacle = folder / broken / "in the way"
    obstacle.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(HostError, match=str(folder)) as caught:
            await ensure_doors(folder, application, short_folder / "proxy")
        assert "tries again" in caught.value.hint
        assert not any(answers(folder / name) for name in NAMES), "half a way is none"
    obstacle.rmdir()
    obstacle.parent.rmdir()
    await asyncio.gather(
        *(ensure_doors(folder, application, short_folder / "proxy") for _ in range(5))
    )
    assert all(answers(folder / name) for name in NAMES)
    door, relay = doors._open_doors.pop(folder)  # a hub's are open until its process ends
    door.stop()
    relay.close()
    await relay.wait_closed()
