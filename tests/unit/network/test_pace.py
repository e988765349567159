"""How fast bytes pass a machine's listeners."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.network.relay import Pace, make_relay


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    rate=st.integers(1000, 10**9),
    steps=st.lists(st.tuples(st.integers(1, 65536), st.floats(0, 2)), min_size=1, max_size=50),
)
def test_no_more_passes_than_the_rate_and_one_burst(rate, steps):
    clock = Clock()
    pace = Pace(rate, clock)
    began, passed = clock.now, 0
    for count, pause in steps:
        wait_s = pace.wait_s(count)
        passed += count
        clock.now += wait_s
        assert passed <= rate * (clock.now - began + 0.26) + 1e-6 * rate
        clock.now += pause


@given(counts=st.lists(st.integers(1, 65536), max_size=50))
def test_without_a_limit_nobody_waits(counts):
    pace = Pace(0)
    assert [pace.wait_s(count) for count in counts] == [0.0] * len(counts)


@pytest.mark.parametrize("is_limited", [False, True])
async def test_a_relay_passes_everything_whatever_the_pace(tmp_path, is_limited):
    data = bytes(range(256)) * 1024

    async def serve(reader, writer):
        writer.write((await reader.read())[::-1])
        await writer.drain()
        writer.close()

    async def connect():
        return await asyncio.open_unix_connection(str(tmp_path / "far"))

    paces = (Pace(10**6), Pace(10**6)) if is_limited else None
    async with (
        await asyncio.start_unix_server(serve, tmp_path / "far"),
        await asyncio.start_unix_server(
            make_relay(connect, most=2, paces=paces), tmp_path / "near"
        ),
    ):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "near"))
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == data[::-1]
        writer.close()
