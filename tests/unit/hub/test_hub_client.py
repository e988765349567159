"""The one client of a hub's API, against a server that answers as a hub in trouble does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from pathlib import Path

import pytest
from aiohttp import web

from vmlab.courses.archive import Archive
from vmlab.courses.package import Package
from vmlab.courses.review import Review
from vmlab.errors import CourseError, HostError
from vmlab.hub import course_calls
from vmlab.hub.access import NOWHERE, HubAccess
from vmlab.hub.answers import (
    HubAbsentError,
    HubRefusedError,
    HubUnclearError,
    StartFailedError,
)
from vmlab.hub.client import HubClient, ask_hub
from vmlab.hub.process import StopRequestedError, stop_on_signals
from vmlab.hub.sessions import FAILURES, ask_status, open_session, pauses
from vmlab.system.host import find_free_port

TOKEN = "never-in-a-message"
LIMIT_S = 60.0

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[HubAccess]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return what begins a server with this answer to everything, and where it is."""
    runners: list[web.AppRunner] = []

    async def begin(answer: Answer) -> HubAccess:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        runners.append(runner)
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        return HubAccess(f"http://127.0.0.1:{listening.getsockname()[1]}/", TOKEN)

    yield begin
    for runner in runners:
        await runner.cleanup()


def answering(status: int, text: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


@pytest.mark.parametrize(
    ("status", "text", "said", "hint"),
    [
        (409, '{"status": 409, "message": "it runs"}', "refused GET x: 409 it runs", "log"),
        (403, '{"status": 403, "message": "Forbidden"}', "403 Forbidden", "token"),
        (404, '{"message": "no user gil"}', "refused GET x: 404 no user gil", "log"),
        (404, "<html>", "refused GET x: 404", "log"),
        (502, "", "refused GET x: 502", "log"),
        (302, "", "refused GET x: 302", "address of a hub"),
    ],
)
async def test_an_answer_that_is_no_good_is_told(
    serve: Serve, status: int, text: str, said: str, hint: str
) -> None:
    access = await serve(answering(status, text))
    with pytest.raises(HubRefusedError) as caught:
        await HubClient(access).call("GET", "x")
    assert said in caught.value.message
    assert access.url in caught.value.message
    assert hint in caught.value.hint
    assert "older VMLab" not in caught.value.hint
    assert caught.value.status == status
    assert TOKEN not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_older"),
    [
        ("<html>", True),
        ('{"status": 404, "message": "Not Found"}', True),
        ('{"status": 404, "message": "no course first"}', False),
    ],
)
async def test_an_older_hub_is_told_by_the_calls_it_does_not_know(
    serve: Serve, text: str, is_older: bool
) -> None:
    with pytest.raises(HubRefusedError) as caught:
        await HubClient(await serve(answering(404, text))).call("GET", "vmlab/courses")
    assert ("older VMLab" in caught.value.hint) is is_older


@pytest.mark.parametrize("text", ["<html>", "[1]"])
async def test_an_answer_that_is_no_hubs_is_told(serve: Serve, text: str) -> None:
    access = await serve(answering(200, text))
    with pytest.raises(HubUnclearError, match="answered GET x with something other than an object"):
        await HubClient(access).call("GET", "x")


async def test_only_the_hubs_answers_are_held_at_length(serve: Serve) -> None:
    access = await serve(answering(200, f"{'x' * 200_000}\n"))
    async with HubClient(access) as client, client.session.get(access.url) as response:
        assert len(await response.content.readline()) == 200_001
    async with open_session() as session, session.get(access.url) as response:
        with pytest.raises(FAILURES, match="more than"):
            await response.content.readuntil(b"\n")


async def test_the_hubs_reason_is_whole_for_programs_and_cut_for_people(serve: Serve) -> None:
    access = await serve(answering(400, f'{{"message": "{"x" * 5000}"}}'))
    with pytest.raises(HubRefusedError) as caught:
        await HubClient(access).call("GET", "x")
    assert len(caught.value.reason) == 5000
    assert len(caught.value.message) < 500


async def test_an_answer_without_a_body_is_a_good_one(serve: Serve) -> None:
    assert await HubClient(await serve(answering(204, ""))).call("DELETE", "x") == {}


async def test_no_redirect_gets_the_token(serve: Serve) -> None:
    asked: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Authorization", ""))
        return web.json_response({})

    elsewhere = await serve(other)
    access = await serve(answering(307, "", Location=elsewhere.url))
    async with HubClient(access) as client:
        with pytest.raises(HubRefusedError):
            await client.call("POST", "x", json={})
        with pytest.raises(HubRefusedError):
            await anext(client.progress("ada"))
    assert asked == []


async def test_a_proxy_of_the_environment_is_not_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = f"http://127.0.0.1:{find_free_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    access = await serve(answering(200, "{}"))
    assert await HubClient(access).call("GET", "x") == {}


async def test_every_call_has_a_deadline(serve: Serve) -> None:
    over = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    access = await serve(never)
    async with asyncio.timeout(LIMIT_S), HubClient(access, limit_s=0.2) as client:
        for call in (
            client.call("GET", "x"),
            client.add_users(["ada"]),
            client.find_server("ada"),
            client.start_server("ada"),
            client.stop_server("ada"),
        ):
            with pytest.raises(HubAbsentError, match="does not answer: "):
                await call
        with pytest.raises(StartFailedError):
            await anext(client.progress("ada", limit_s=0.2))
        assert await ask_status(client.session, access.url) == 0
    over.set()


async def test_where_no_hub_is_nobody_answers() -> None:
    nobody = HubAccess(f"http://127.0.0.1:{find_free_port()}/", TOKEN)
    for access in (nobody, NOWHERE, HubAccess(nobody.url, "two\nlines")):
        with pytest.raises(HubAbsentError) as caught:
            await HubClient(access).call("GET", "x")
        assert access.token not in str(caught.value) or not access.token


async def test_a_start_is_told_as_it_goes(serve: Serve) -> None:
    go_on = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"token {TOKEN}"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"phase": "boot"}\n\n:keepalive\n\n')
        await go_on.wait()
        last = b'{"ready": true}' if "ada" in request.path else b'{"failed": true, "message": "no"}'
        await response.write(b"data: " + (last if "eve" not in request.path else b"{}") + b"\n\n")
        return response

    access = await serve(stream)
    async with asyncio.timeout(LIMIT_S), HubClient(access) as client:
        ada = client.progress("ada")
        assert await anext(ada) == {"phase": "boot"}, "before the stream is over"
        go_on.set()
        assert [event async for event in ada] == [{"ready": True}]
        with pytest.raises(StartFailedError, match=r"^no$"):
            assert [event async for event in client.progress("bob")]
        with pytest.raises(StartFailedError, match="before the server was ready"):
            assert [event async for event in client.progress("eve")]


async def test_a_stop_goes_on_until_the_server_is_gone(serve: Serve) -> None:
    """The hub may be at work on it already, and a start may come in between."""
    models = [
        {"pending": "spawn"},
        {"pending": "stop"},
        {"ready": True},  # started again meanwhile
        {"pending": "stop"},
        None,
    ]
    deletions: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            deletions.append(len(models))
            return web.Response(status=202)
        model = models.pop(0)
        return web.json_response({"servers": {"": model} if model else {}})

    await HubClient(await serve(answer)).stop_server("ada", limit_s=LIMIT_S)
    assert deletions == [4, 2]


async def test_a_stop_comes_to_an_end_if_the_server_does_not(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"servers": {"": {"pending": "stop"}}})

    with pytest.raises(HostError, match="did not stop the server of ada"):
        await HubClient(await serve(answer)).stop_server("ada", limit_s=0.1)


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (403, '{"message": "no scope"}', HostError, "refuses the token: no scope"),
        (413, '{"message": "too large\\n  hint: leave out data"}', CourseError, "^too large\n"),
        (500, '{"message": "oh"}', HubRefusedError, "500 oh"),
        (404, "<html>", HubRefusedError, "404"),
        (404, '{"message": "Not Found"}', HubRefusedError, "404 Not Found"),
        (404, '{"message": "no course c"}', CourseError, "^no course c"),
    ],
)
async def test_what_is_wrong_with_a_course_is_told_as_such(
    serve: Serve, status: int, text: str, kind: type[Exception], said: str
) -> None:
    access = await serve(answering(status, text))
    package = Package("c", Archive(b"x", "d"), Review((), (), (), ()))
    with pytest.raises(kind, match=said):
        await asyncio.to_thread(course_calls.publish, access, package)


async def test_the_command_line_asks_without_a_loop_of_its_own(serve: Serve) -> None:
    access = await serve(answering(200, '{"stage": "aside"}'))
    answer = await asyncio.to_thread(ask_hub, access, "GET", "vmlab/x")
    assert answer == {"stage": "aside"}


async def test_a_socket_stands_for_every_host(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.UnixSite(runner, path).start()
    async with open_session(socket=path) as session:
        assert await ask_status(session, "http://whatever/x") == 404
    await runner.cleanup()


def test_pauses_grow_and_come_to_an_end() -> None:
    waits = list(islice(pauses(LIMIT_S, 0.2), 20))
    assert waits == sorted(waits)
    assert waits[0] < waits[5] < waits[-1] == 0.2
    assert list(pauses(0.0, 1.0)) == []


def test_a_request_to_stop_is_not_lost_in_a_callback() -> None:
    """asyncio logs what a callback raises and goes on, and further signals are ignored by then."""

    async def work() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(1)

    with stop_on_signals(), pytest.raises(StopRequestedError):
        asyncio.run(work())
