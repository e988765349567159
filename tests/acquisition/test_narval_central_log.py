"""The central log: records by filter, in files, and handlers that never wait."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from acquisition.programs import until
from narval.config import Address
from narval.control import log_handler as log_handler_module
from narval.control.central_log import serve_log
from narval.control.log_handler import CentralLogHandler, as_actor
from narval.control.log_record import MAX_CHARACTERS
from narval.control.peer import RemoteError, connect
from narval.topology.model import LogLevel

SECRET = "5" * 64


@pytest.fixture
async def log(tmp_path):
    log = await serve_log(Address("127.0.0.1", 0), SECRET, tmp_path, LogLevel.DEBUG)
    yield log
    log.close()


@pytest.fixture
def logger():
    logger = logging.getLogger("test of the central log")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


async def ask(log, **what):
    peer = await connect("127.0.0.1", log.server.port, SECRET, {"hello": "client"})
    try:
        return await peer.call("query", **what)
    finally:
        peer.close()


async def test_what_is_logged_can_be_asked_for_and_is_kept_with_the_run(log, logger, tmp_path):
    handler = CentralLogHandler("tandem", "reader")
    logger.addHandler(handler)
    forwarding = asyncio.create_task(handler.forward(Address("127.0.0.1", log.server.port), SECRET))
    run = tmp_path / "run-0001"
    run.mkdir()
    peer = await connect("127.0.0.1", log.server.port, SECRET, {"hello": "client"})
    await peer.call("run", sub_system="tandem", folder=str(run))
    logger.debug("a %s", "detail")
    logger.warning("hot", extra=as_actor("writer"))
    logger.critical("x" * 2 * MAX_CHARACTERS)
    assert await handler.flush_for(10)
    await peer.call("run", sub_system="tandem", folder=None)
    logger.info("after the run")
    assert await handler.flush_for(10)

    found = await ask(log)
    assert [(r["level"], r["actor"]) for r in found] == [
        ("debug", "reader"), ("warn", "writer"), ("fatal", "reader"), ("info", "reader"),
    ]  # fmt: skip
    assert found[0]["message"] == "a detail"
    assert found[2]["message"].endswith(f"… ({2 * MAX_CHARACTERS} characters)")
    assert [r["message"] for r in await ask(log, actor="writer", level="warn")] == ["hot"]
    assert [r["message"] for r in await ask(log, last=1)] == ["after the run"]
    assert await ask(log, sub_system="other") == []
    kept = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert kept == found[:3]
    every = [json.loads(line) for line in (tmp_path / "central_log.jsonl").read_text().splitlines()]
    assert every == found
    peer.close()
    forwarding.cancel()


async def test_a_flood_is_dropped_counted_and_told(log, logger, monkeypatch):
    monkeypatch.setattr(log_handler_module, "MAX_WAITING", 10)
    handler = CentralLogHandler("tandem")
    logger.addHandler(handler)
    for number in range(25):
        logger.info("line %d", number)
    assert handler.dropped == 15
    forwarding = asyncio.create_task(handler.forward(Address("127.0.0.1", log.server.port), SECRET))

    async def told():
        messages = [record["message"] for record in await ask(log)]
        return messages if len(messages) == 11 else None

    messages = await until(told)
    assert messages[:2] == ["line 0", "line 1"]
    assert messages[-1].startswith("15 lines of the log were dropped")
    forwarding.cancel()


async def test_lines_wait_while_the_log_is_away(log, logger, tmp_path, monkeypatch):
    monkeypatch.setattr(log_handler_module, "_RETRY_S", 0.05)
    at = Address("127.0.0.1", log.server.port)
    log.close()
    handler = CentralLogHandler("tandem")
    logger.addHandler(handler)
    forwarding = asyncio.create_task(handler.forward(at, SECRET))
    logger.info("said while it was away")
    assert not await handler.flush_for(0.1)
    again = await serve_log(at, SECRET, tmp_path, LogLevel.DEBUG)
    assert await handler.flush_for(10)
    assert [r["message"] for r in await ask(again)] == ["said while it was away"]
    forwarding.cancel()
    again.close()


async def test_what_is_no_level_or_no_record_is_refused(log):
    with pytest.raises(RemoteError, match=r"'loud' is not a log level \(debug, info"):
        await ask(log, level="loud")
    peer = await connect("127.0.0.1", log.server.port, SECRET, {"hello": "client"})
    with pytest.raises(RemoteError, match="without 'time'"):
        await peer.call("log", records=[{"level": "info"}])
    peer.close()


async def test_a_file_that_cannot_be_written_is_told_once_and_lines_stay_in_memory(
    log, logger, tmp_path, caplog
):
    (tmp_path / "central_log.jsonl").mkdir()
    handler = CentralLogHandler("tandem")
    logger.addHandler(handler)
    forwarding = asyncio.create_task(handler.forward(Address("127.0.0.1", log.server.port), SECRET))
    for _ in range(2):
        logger.info("still here")
        assert await handler.flush_for(10)
    assert len(await ask(log)) == 2
    assert caplog.text.count("kept in memory only") == 1
    forwarding.cancel()
