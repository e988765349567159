"""A QEMU that was broken out of says anything on its control socket, and harms its machine only."""

from __future__ import annotations

import json
import logging
from asyncio import start_unix_server
from contextlib import asynccontextmanager

import pytest

from vmlab.errors import ProviderError
from vmlab.providers.qemu.channels import monitor as monitor_module
from vmlab.providers.qemu.channels.monitor import Monitor, open_monitor

GREETING = (
    b'{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7},"package":""},"capabilities":[]}}\n'
)
TOO_LONG = b"x" * 11 * 2**20 + b"\n"
TOO_DEEP = b"[" * 100_000 + b"\n"

GREETINGS = {
    "list": b"[]\n",
    "deep": TOO_DEEP,
    "no text": b"\xff\n",
    "long": TOO_LONG,
    "number": b'{"QMP":1}\n',
    "NaN": b'{"QMP":{"version":{},"capabilities":NaN}}\n',
    "nothing": b"",
}
ANSWERS = {
    "number": b'{"return":5,"id":ID}\n',
    "rows of numbers": b'{"return":[5],"id":ID}\n',
    "digits": b'{"return":%s,"id":ID}\n' % (b"9" * 5000),
    "deep": b'{"return":%s,"id":ID}\n' % (b"[" * 100_000),
    "no text": b"\xff\n",
    "long": TOO_LONG,
    "nothing in it": b'{"id":ID}\n',
    "error of numbers": b'{"error":1,"id":ID}\n',
    "error of lists": b'{"error":{"class":1,"desc":[]},"id":ID}\n',
    "no name": b'{"return":{},"id":[]}\n',
    "event of numbers": b'{"event":1}\n[]\n',
    "list": b"[]\n",
    "end": b"",
}
QUESTIONS = {
    "query-status": Monitor.is_out_of_room,
    "query-block": Monitor.disk_limits,
    "qom-list": Monitor.unplug_snapshot,
    "card": Monitor.unplug_event_card,
}


@asynccontextmanager
async def qemu(path, greeting: bytes, answer: bytes):
    """A QEMU that is polite until it is asked something."""

    async def serve(reader, writer) -> None:
        writer.write(greeting)
        for reply in (b'{"return":{}}\n', answer):
            line = await reader.read(2**16)  # QMP commands end without a newline
            name = json.dumps(json.loads(line).get("id")).encode() if line else b""
            writer.write(reply.replace(b"ID", name))
        writer.close()

    async with await start_unix_server(serve, path):
        yield


@pytest.fixture
def socket(tmp_path_factory, monkeypatch):
    for limit in ("_COMMAND_LIMIT_S", "_CONNECT_LIMIT_S"):
        monkeypatch.setattr(monitor_module, limit, 0.5)
    logging.getLogger("qemu").setLevel(logging.CRITICAL)
    yield tmp_path_factory.mktemp("q") / "qmp"
    logging.getLogger("qemu").setLevel(logging.NOTSET)


@pytest.mark.attack("jobs.own-machine", "a QEMU greets with rubbish")
@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
async def test_any_greeting_is_a_provider_error(socket, greeting):
    async with qemu(socket, greeting, b""):
        with pytest.raises(ProviderError, match="control socket does not answer"):
            async with open_monitor("desk-ada", socket):
                pass


@pytest.mark.attack("jobs.own-machine", "a QEMU answers with rubbish")
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_any_answer_is_a_provider_error(socket, answer, question):
    async with qemu(socket, GREETING, answer):
        with pytest.raises(ProviderError, match=r"QEMU (ended|refused)|QEMU's answer"):
            async with open_monitor("desk-ada", socket) as monitor:
                await question(monitor)
