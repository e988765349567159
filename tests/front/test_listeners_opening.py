"""The hub's listeners for machines, when they cannot be opened at first."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tornado.web import Application

from vmlab.errors import HostError
from vmlab.network import listeners
from vmlab.network.listeners import ensure_listeners

NAMES = ("hub.sock", "proxy.sock")


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("broken", NAMES)
async def test_listeners_that_could_not_be_opened_are_tried_again(short_folder, broken):
    """They stayed closed for as long as the hub ran, and nobody was told."""
    folder, application = short_folder / "doors", Application()
    obstacle = folder / broken / "in the way"
    obstacle.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(HostError, match=str(folder)) as caught:
            await ensure_listeners(folder, application, short_folder / "proxy")
        assert "tries again" in caught.value.hint
        assert not any(answers(folder / name) for name in NAMES), "half a way is none"
    obstacle.rmdir()
    obstacle.parent.rmdir()
    await asyncio.gather(
        *(ensure_listeners(folder, application, short_folder / "proxy") for _ in range(5))
    )
    assert all(answers(folder / name) for name in NAMES)
    listener, relay = listeners._open_listeners.pop(
        folder
    )  # a hub's are open until its process ends
    listener.stop()
    relay.close()
    await relay.wait_closed()
