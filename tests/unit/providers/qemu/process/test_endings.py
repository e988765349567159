"""Why a machine ended, by what QEMU says of it."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.model import EndCause
from vmlab.providers.qemu.process.endings import listen_for_end, parse_event
from vmlab.spawning.restarts import Restarts


def shutdown(reason: str) -> bytes:
    data = {"guest": True, "reason": reason}
    return json.dumps({"event": "SHUTDOWN", "data": data}).encode() + b"\r\n"


PANICKED = b'{"event":"GUEST_PANICKED","data":{"action":"poweroff"}}\r\n'


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (shutdown("guest-reset"), EndCause.REBOOT),
        (shutdown("guest-shutdown"), EndCause.POWEROFF),
        (shutdown("guest-panic"), EndCause.PANIC),
        (PANICKED, EndCause.PANIC),
        (shutdown("host-qmp-quit"), None),
        (b'{"event":"RESUME"}', None),
        (b'{"return":{}}', None),
        (b'{"event":"SHUTDOWN","data":{"reason":["guest-reset"]}}', None),
    ],
)
def test_what_qemu_says_is_understood(line, cause):
    assert parse_event(line) is cause


@given(st.binary())
def test_any_other_line_says_nothing(line):
    assert parse_event(line) is None


async def listen(*lines: bytes) -> EndCause | None:
    reader = asyncio.StreamReader(limit=200)
    reader.feed_data(b"".join(lines))
    reader.feed_eof()
    async with asyncio.timeout(60):
        return await listen_for_end(reader)


async def test_the_last_word_counts_and_a_panic_most():
    assert await listen() is None
    assert await listen(b'{"return":{}}\n', shutdown("guest-reset")) is EndCause.REBOOT
    assert await listen(PANICKED, shutdown("guest-reset")) is EndCause.PANIC


async def test_a_line_without_end_is_dropped():
    assert await listen(b"x" * 5000 + b"\n", shutdown("guest-shutdown")) is EndCause.POWEROFF


async def test_a_connection_that_breaks_is_an_end():
    reader = asyncio.StreamReader()
    reader.feed_data(shutdown("guest-reset"))
    listening = asyncio.create_task(listen_for_end(reader))
    await asyncio.sleep(0)
    reader.set_exception(ConnectionResetError())
    async with asyncio.timeout(60):
        assert await listening is EndCause.REBOOT


def test_a_machine_that_does_nothing_but_reboot_ends():
    now = 0.0
    restarts = Restarts(lambda: now)
    begun = [restarts.may_begin() for _ in range(5)]
    assert begun == [True, True, True, False, False]
    now = 901.0
    assert restarts.may_begin(), "a class reboots now and then"
    restarts.clear()
    assert [restarts.may_begin() for _ in range(4)] == [True, True, True, False]
