"""A trainee's home in a real machine: frozen, looked back at, grown, taken along, in a new machine;
a hub that lost its machine; and who is there.

The desk image, a real hub. One machine serves all tests, in the order in which they stand. They
share its logins, too: under emulation each costs as much processor time as two starts of a machine.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import signal
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from browser.conftest import log_in, shot
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import STOP_LIMIT_S, Desk
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.providers.agent.link import AgentLink
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.messages import Activity, GuestMessage, HostMessageType
from vmlab_protocol.snapshots import Reason

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

LIMIT_S = 300
VOLUME = volume_name("ada")
MAX_FREEZE_S = 60  # as long as an agent freezes at most
# In one command: two of them may take a busy host longer than a home stays frozen.
WRITE_AND_WATCH = """
dd if=/dev/zero of=written bs=1k count=1 > /dev/null 2>&1 &
for try in $(seq 100); do ps -o stat= -p $! | grep D && exit; sleep 0.2; done
"""
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
            running.stop_server("ada", limit_s=STOP_LIMIT_S)
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


async def ask_agent(desk: Desk, kind: HostMessageType, **details: Any) -> GuestMessage:
    async with AgentLink(await desk.provider.open_agent(desk.machine)) as link:
        return await link.ask(kind, 120, **details)


async def freeze(desk: Desk, limit_s: float) -> None:
    await ask_agent(desk, HostMessageType.FREEZE, limit_s=limit_s)


async def thaw(desk: Desk) -> bool:
    return (await ask_agent(desk, HostMessageType.THAW)).was_frozen


def test_a_frozen_home_takes_no_writes_until_it_is_thawed(desk):
    desk.run("true")  # the login that the commands share
    wait_for(freeze(desk, MAX_FREEZE_S))
    try:
        seen = desk.run(WRITE_AND_WATCH)
    finally:
        was_frozen = wait_for(thaw(desk))
    assert was_frozen
    assert "D" in seen, "the write did not wait"
    wait_until(lambda: desk.run("stat -c %s written", check=False) == "1024\n")


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


def test_a_new_machine_has_the_same_home_and_a_fresh_system(hub, desk):
    desk.run("echo mine > ~/work.txt && sudo touch /etc/broken && sync")
    machine_id = desk.run("cat /etc/machine-id")
    answer = hub.api("POST", "vmlab/machines/ada/renew", token=hub.user_token("ada"))
    answer.raise_for_status()
    wait_until(
        lambda: hub.server("ada").get("ready") and list((hub.folder / "aside").glob("*")), 600
    )
    desk.forget_connection()
    assert desk.run("cat ~/work.txt") == "mine\n"
    assert desk.run("ls /etc/broken", check=False) == ""
    assert desk.run("cat /etc/machine-id") != machine_id
    (kept,) = (hub.folder / "aside").iterdir()
    assert (kept / "root.qcow2").exists()
    assert not list(kept.glob("*.sock"))


def test_a_volume_at_work_is_grown_and_exported(desk, tmp_path):
    store = desk.provider.volumes
    before = home_mib(desk)
    wait_for(store.grow(VOLUME, 384))
    assert home_mib(desk) > before + 100
    assert desk.run("cat work/thesis.tex") == "one\n"

    image = tmp_path / "home.vmdk"
    wait_for(store.export(VOLUME, image, ExportFormat.VMDK))
    assert image.read_bytes()[:4] == b"KDMV"


def home_mib(desk: Desk) -> int:
    return int(desk.run("df --output=size -BM ~ | tail -1").strip().rstrip("M"))


def ask(desk: Desk) -> Activity:
    """What the agent says; one that takes more than its 5 s is left out of the answer."""
    return wait_until(lambda: wait_for(desk.provider.activity([desk.machine])).get(desk.machine))


def test_the_agent_says_for_how_long_nobody_worked_and_takes_a_warning(desk):
    assert 0 <= ask(desk).idle_s < 600
    wait_for(desk.provider.warn(desk.machine, time.time() + 600))
    assert "stop_at" in desk.run("cat /run/vmlab/warning.json")
    wait_for(desk.provider.warn(desk.machine, 0))
    assert desk.run("ls /run/vmlab/warning.json", check=False) == ""
    # Who works over SSH is at work, whatever the browser does.
    ask(desk)
    began = time.monotonic()
    desk.run("timeout 5 sh -c 'while :; do :; done'", check=False)
    assert ask(desk).idle_s < time.monotonic() - began


def activity(desk: Desk) -> Activity:
    desk.forget_connection()
    return ask(desk)


def test_who_works_is_seen_and_who_does_not_too(desk):
    desk.run("true")  # its connection stays open
    assert "ssh" in ask(desk).why
    quiet = wait_until(lambda: (a := activity(desk)).why == () and a)
    assert 0 <= quiet.idle_s < LIMIT_S * 2
    with ThreadPoolExecutor(1) as pool:
        cell = pool.submit(desk.python, UNTIL_ENOUGH)
        busy = wait_until(lambda: (a := activity(desk)).why and "kernel" in a.why and a)
        assert busy.idle_s == 0
        write_by_the_server(desk, "enough")
        cell.result(timeout=LIMIT_S)
    wait_until(lambda: activity(desk).why == ())


def write_by_the_server(desk: Desk, name: str) -> None:
    """Write a file at home through Jupyter's own API: nobody logs in for it."""
    headers = {"Authorization": f"token {desk.hub.user_token(desk.user)}"}
    url = f"{desk.hub.machine_url(desk.user)}/api/contents/{name}"
    body = {"type": "file", "format": "text", "content": ""}
    requests.put(url, headers=headers, timeout=LIMIT_S, json=body).raise_for_status()


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
    began = time.monotonic()
    with page.expect_response(re.compile(r"/vmlab/keep\b")) as answer:
        warning.get_by_role("button", name="Garder mon lab").click()
    assert answer.value.ok
    now = activity(desk)
    # If the hub looked in between, it is the one who saw the click; idle is since then.
    assert "kept" in now.why or now.idle_s <= time.monotonic() - began
    page.get_by_role("menuitem", name="Fichier", exact=True).click()
    page.get_by_role("menuitem", name="Mes données").wait_for()
    shot(page, "desk-file-menu")


def test_a_hub_that_lost_its_database_gives_the_running_machine_its_server_back(hub, desk):
    desk.run("echo kept | sudo tee /run/user-was-here")
    before = desk.folder.record()
    hub.stop(signal.SIGKILL)
    for file in hub.folder.glob("jupyterhub.sqlite*"):
        file.unlink()
    hub.start()
    # Nobody asks for it.
    wait_until(lambda: hub.server("ada").get("ready"), 600)
    assert "is adopted: it runs, and the hub lost the server of ada" in hub.log.read_text()
    assert desk.folder.record().powered_at == before.powered_at, "it was powered on again"
    assert desk.run("cat /run/user-was-here") == "kept\n"
    assert desk.python("print(6 * 7)").strip() == "42"
