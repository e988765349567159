"""JupyterLab's files on the file server: who asked for one waits, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from ipaddress import IPv4Address
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import cast

import pytest
from jupyter_server.services.contents.manager import ContentsManager
from tornado import web
from tornado.httputil import HTTPServerRequest

from fakes.guest_seeds import make_seed
from vmlab_guest.served_files import Lane, LocalSpecs, ServedFile, ServedFiles, WhileAway
from vmlab_guest.server import own_server
from vmlab_guest.server_request import ServerRequest
from vmlab_guest.trouble import make_plain
from vmlab_protocol.seed import Server
from vmlab_protocol.seed_reader import parse_seed
from vmlab_protocol.share import Share

LIMIT_S = 60.0
TEXT = {"type": "file", "format": "text", "content": "one"}


class Away:
    """A file server that does not answer until it is said to."""

    def __init__(self) -> None:
        self._is_back = threading.Event()
        self.answers = 0

    async def ask(self) -> int:
        """Wait for it in the thread, as the kernel has whoever opens a file."""
        assert self._is_back.wait(LIMIT_S)
        self.answers += 1
        return self.answers

    def come_back(self) -> None:
        self._is_back.set()


@pytest.fixture
def away():
    server = Away()
    yield server
    server.come_back()


@pytest.fixture
def lane(away):
    made = Lane(answer_s=0.05, silent_s=0.0)
    yield made
    away.come_back()
    made.close()


@pytest.fixture
def files(tmp_path, away):
    made = ServedFiles(root_dir=str(tmp_path))
    assert (made.answer_s, made.silent_s) == (30.0, 5.0)
    yield made
    away.come_back()
    made.lane.close()


async def until(question) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not question():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.001)


async def refused(coroutine) -> str:
    with pytest.raises(web.HTTPError) as caught:
        await coroutine
    assert caught.value.status_code == 503
    return str(caught.value.log_message)


async def test_who_asks_is_told_after_a_while_and_what_was_begun_goes_on(lane, away):
    assert not lane.is_waiting
    told = await refused(lane.run(away.ask))
    assert told.startswith("The file server does not answer, and this file is on it.")
    assert lane.is_waiting
    await refused(lane.run(away.ask))
    away.come_back()
    await until(lambda: not lane.is_waiting)
    assert away.answers == 2


async def test_what_fails_fails_as_it_would_elsewhere(files):
    with pytest.raises(web.HTTPError) as caught:
        await files.get("nothing.txt")
    assert caught.value.status_code == 404
    assert not files.lane._begun


async def test_files_are_those_of_jupyters_own_manager(files, tmp_path):
    await files.save(TEXT, "a.txt")
    assert (tmp_path / "a.txt").read_text() == "one"
    assert (await files.get("a.txt"))["content"] == "one"
    assert [each["name"] for each in (await files.get(""))["content"]] == ["a.txt"]
    checkpoint = await files.create_checkpoint("a.txt")
    await files.save({**TEXT, "content": "two"}, "a.txt")
    await files.restore_checkpoint(checkpoint["id"], "a.txt")
    assert (tmp_path / "a.txt").read_text() == "one"
    await files.rename("a.txt", "b.txt")
    assert await files.file_exists("b.txt")
    assert files.files_handler_class is ServedFile


async def test_nothing_that_touches_a_file_is_done_elsewhere(files, away):
    files.lane._answer_s = 0.05
    await refused(files.lane.run(away.ask))
    for call in (
        files.save(TEXT, "a.txt"),
        files.get("a.txt"),
        files.file_exists("a.txt"),
        files.is_hidden("a.txt"),
        files.get_kernel_path("a.txt"),
        files.new_untitled(type="file"),
        files.create_checkpoint("a.txt"),
    ):
        await refused(call)
    away.come_back()
    await until(lambda: not files.lane._begun)
    files.lane._answer_s = LIMIT_S
    assert (await files.get("a.txt"))["content"] == "one", "it was saved when it could be"


async def test_those_who_listen_hear_of_a_file_where_they_listen(files, monkeypatch):
    heard = []
    monkeypatch.setattr(
        ContentsManager, "emit", lambda self, data: heard.append((data, threading.current_thread()))
    )
    await files.save(TEXT, "a.txt")
    await until(lambda: heard)
    assert heard[-1] == ({"action": "save", "path": "a.txt"}, threading.current_thread())


@pytest.mark.parametrize(
    ("method", "path", "is_waiting", "matches"),
    [
        ("POST", "/user/ada/api/terminals", True, True),
        ("POST", "/user/ada/api/terminals", False, False),
        ("GET", "/user/ada/api/terminals", True, False),
        ("DELETE", "/user/ada/api/terminals/1", True, False),
        ("POST", "/user/ada/api/sessions", True, False),
    ],
)
def test_terminals_are_not_opened_while_files_wait(method, path, is_waiting, matches):
    lane = cast("Lane", SimpleNamespace(is_waiting=is_waiting))
    request = cast("HTTPServerRequest", SimpleNamespace(method=method, path=path))
    found = WhileAway(lane).match(request)
    assert (found is not None) is matches


def test_kernels_are_not_looked_for_in_a_home(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/own/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    dirs = LocalSpecs().kernel_dirs
    assert "/own/data/kernels" in dirs
    assert not any(each.startswith(str(tmp_path)) for each in dirs)


def test_a_server_has_it_where_the_home_is_on_the_file_server():
    def started(share: Share | None) -> Server:
        server = own_server(parse_seed(make_seed(share=share)))
        assert server is not None
        return server

    usual = started(None)
    assert started(Share(IPv4Address("10.77.0.2"), "ada")) == usual
    served = started(Share(IPv4Address("10.77.0.2"), "ada", is_home=True))
    assert served.args[: len(usual.args)] == usual.args
    own = dict(arg.split("=", 1) for arg in served.args[len(usual.args) :])
    assert resolve_name(own["--ServerApp.contents_manager_class"]) is ServedFiles
    assert resolve_name(own["--ServerApp.kernel_spec_manager_class"]) is LocalSpecs
    assert own["--LabApp.user_settings_dir"] == "/var/lib/vmlab/home/.jupyter/lab/user-settings"
    assert served.env["JUPYTER_DATA_DIR"] == "/var/lib/vmlab/home/.local-share-jupyter"
    plain = make_plain(ServerRequest(served.env, served.args))
    options = [arg.split("=", 1)[0] for arg in plain.args]
    assert len(options) == len(set(options)), "traitlets takes no second value"
    assert "/var/lib/vmlab/home" not in str(plain)
