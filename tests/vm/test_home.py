"""A trainee's home in a real machine: frozen, looked back at, full, taken along; and who is there.

The desk image, a real hub. One machine serves all tests, in the order in which they stand.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from browser.conftest import log_in, shot
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.providers.agent.link import AgentLink
from vmlab_protocol.messages import (
    ANSWERS,
    Activity,
    GuestMessage,
    GuestMessageType,
    HostMessageType,
)
from vmlab_protocol.snapshots import Reason

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]

LIMIT_S = 300
VOLUME = volume_name("ada")
UNTIL_ENOUGH = """
import time
from pathlib import Path
while not Path("/home/trainee/enough").exists(): time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def hub(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    volume = '[volume]\nsize = "256M"'
    with RunningHub(
        folder, provider="qemu", cache=cache, language="fr", lab_lines=volume
    ) as running:
        yield running
        if running.server("ada"):
            running.stop_server("ada", limit_s=180)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(hub):
    made = Desk(hub, "ada", default_paths().cache)
    made.start()
    return made


def wait_for(work):
    """Run a coroutine to its end; the browser's own loop runs in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def server(desk: Desk, method: str, path: str, **more: Any) -> requests.Response:
    """Ask VMLab's handlers in the machine's server, through hub and proxy."""
    headers = {"Authorization": f"token {desk.hub.user_token(desk.user)}"}
    url = f"{desk.hub.machine_url(desk.user)}/vmlab/{path}"
    return requests.request(method, url, headers=headers, timeout=LIMIT_S, **more)


@asynccontextmanager
async def agent(desk: Desk) -> AsyncGenerator:
    async with (
        asyncio.timeout(120),
        AgentLink(await desk.provider.open_agent(desk.machine)) as link,
    ):

        async def ask(kind: HostMessageType, **details: Any) -> GuestMessage:
            await link.send(kind, **details)
            while (said := await link.receive()).type is not ANSWERS[kind]:
                assert said.type is not GuestMessageType.ERROR, said.text
            return said

        yield ask


async def freeze(desk: Desk, limit_s: float) -> None:
    async with agent(desk) as ask:
        await ask(HostMessageType.FREEZE, limit_s=limit_s)


async def thaw(desk: Desk) -> bool:
    async with agent(desk) as ask:
        return bool((await ask(HostMessageType.THAW)).was_frozen)


def test_a_frozen_home_takes_no_writes_until_it_is_thawed(desk):
    desk.run("true")  # the login that the commands share
    with ThreadPoolExecutor(1) as pool:
        wait_for(freeze(desk, 60))
        try:
            writing = pool.submit(desk.run, "exec dd if=/dev/zero of=written bs=1k count=1")
            wait_until(lambda: "D" in desk.run("ps -o stat= -C dd", check=False), 50)
            assert not writing.done()
        finally:
            was_frozen = wait_for(thaw(desk))
        assert was_frozen
        writing.result(timeout=60)
    assert desk.run("stat -c %s written") == "1024\n"


def test_a_home_that_nobody_thaws_thaws_by_itself(desk):
    wait_for(freeze(desk, 2))  # and the host is gone
    desk.run("echo more > written")
    assert wait_for(thaw(desk)) is False
    assert desk.run("cat written") == "more\n"


def test_a_snapshot_is_looked_through_and_restored_from(desk):
    desk.run("mkdir -p work && echo one > work/thesis.tex && ln -sf /etc/passwd work/out")
    store = desk.provider.volumes
    taken = wait_for(store.snapshot(VOLUME, Reason.MANUAL))
    desk.run("echo two > work/thesis.tex")
    wait_for(store.show_snapshot(VOLUME, taken.id))
    assert desk.run(f"cat /snapshots/{taken.id}/work/thesis.tex") == "one\n"
    denied = desk.run(f"sudo touch /snapshots/{taken.id}/x 2>&1", check=False)
    assert "Read-only" in denied
    tree = server(desk, "GET", f"snapshots/{taken.id}/tree?path=work").json()
    assert {e["name"]: e["kind"] for e in tree["entries"]} == {"out": "link", "thesis.tex": "file"}
    assert server(desk, "GET", f"snapshots/{taken.id}/tree?path=work/out").status_code == 404
    body = {"paths": ["work"], "keep": "rename"}
    done = server(desk, "POST", f"snapshots/{taken.id}/restore", json=body).json()
    assert (done["restored"], done["unchanged"], done["failed"]) == (1, 1, [])
    assert desk.run("cat work/thesis.tex") == "one\n"
    assert desk.run(f"cat {done['kept'][0]}") == "two\n"
    wait_for(store.hide_snapshot(VOLUME))
    assert desk.run("ls /snapshots") == ""


def test_the_home_is_taken_along(desk):
    desk.run("mkdir -p .cache && echo x > .cache/x && sudo install -m 600 /dev/null work/root-s")
    answer = server(desk, "GET", "home.tar.gz")
    assert answer.ok
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
        thesis = archive.extractfile("ada-home/work/thesis.tex")
        assert thesis is not None
        assert thesis.read() == b"one\n"
        missing = archive.extractfile("ada-home/NOT-IN-THIS-ARCHIVE.txt")
        assert missing is not None
        assert b"work/root-s" in missing.read()
    assert not [name for name in names if "/.cache/" in name]


def ask(desk: Desk) -> Activity:
    """What the agent says; one that takes more than its 5 s is left out of the answer."""
    return wait_until(lambda: wait_for(desk.provider.activity([desk.machine])).get(desk.machine))


def activity(desk: Desk) -> Activity:
    desk.forget_connection()
    return ask(desk)


def test_who_works_is_seen_and_who_does_not_too(desk):
    quiet = wait_until(lambda: (a := activity(desk)).why == () and a)
    assert 0 <= quiet.idle_s < LIMIT_S * 2
    with ThreadPoolExecutor(1) as pool:
        cell = pool.submit(desk.python, UNTIL_ENOUGH)
        busy = wait_until(lambda: (a := activity(desk)).why and "kernel" in a.why and a, 200)
        assert busy.idle_s == 0
        desk.run("touch enough")
        cell.result(timeout=LIMIT_S)
    wait_until(lambda: activity(desk).why == ())
    desk.run("true")  # its connection stays open
    assert "ssh" in ask(desk).why


def test_a_forgotten_lab_is_warned_of_and_kept(desk, hub, new_page):
    page = new_page(locale="fr-FR")
    log_in(page, hub, "ada")
    page.set_default_timeout(LIMIT_S * 1000)
    wait_for(desk.provider.warn(desk.machine, time.time() + 600))
    page.goto(f"{hub.machine_url('ada')}/lab")
    warning = page.locator(".Toastify__toast", has_text="votre lab sera arrêté à")
    warning.wait_for()
    shot(page, "desk-warning")
    activity(desk)
    with page.expect_response(re.compile(r"/vmlab/keep\b")) as answer:
        warning.get_by_role("button", name="Garder mon lab").click()
    assert answer.value.ok
    assert "kept" in activity(desk).why
    page.get_by_role("menuitem", name="Fichier", exact=True).click()
    page.get_by_role("menuitem", name="Mes données").wait_for()
    shot(page, "desk-file-menu")
