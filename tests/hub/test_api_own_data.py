"""What a trainee may do with their own volume over the hub's API, and with nobody else's."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from contextlib import ExitStack, closing
from urllib.parse import quote, urlsplit

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import volume_name
from vmlab.volumes.thinning import MAX_MANUAL

MISSING = "manual-20200101T000000Z"
STALL_S = 8
HOME_MIB = 48
"""More than all buffers between hub and reader hold."""

PACE = f"""
import vmlab.web.api.sending as sending
sending.PACE = sending.Pace(stall_s={STALL_S})
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    with RunningHub(folder, trainees=("ada", "bob", "eve"), extra_config=PACE) as running:
        for user in ("ada", "bob"):
            running.start_server(user)
            running.stop_server(user)
        yield running


def call(hub, user: str, method: str, path: str):
    return hub.api(method, f"vmlab/data/snapshots{path}", token=hub.user_token(user))


def keep(hub, user: str) -> str:
    answer = call(hub, user, "POST", "")
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_a_state_is_kept_restored_and_forgotten_by_its_owner_only(hub):
    kept = keep(hub, "ada")
    for method, path in (("POST", f"/{kept}/restore"), ("DELETE", f"/{kept}")):
        assert call(hub, "bob", method, path).status_code == 404
    done = call(hub, "ada", "POST", f"/{kept}/restore").json()
    assert done["restored"] == kept
    assert call(hub, "ada", "DELETE", f"/{done['kept']}").status_code == 403, "it goes by itself"
    assert call(hub, "ada", "DELETE", f"/{kept}").status_code == 204
    assert call(hub, "ada", "DELETE", f"/{kept}").status_code == 404


def test_a_running_machine_is_not_pulled_from_under_its_trainee(hub):
    kept = keep(hub, "bob")
    hub.start_server("bob")
    answer = call(hub, "bob", "POST", f"/{kept}/restore")
    assert answer.status_code == 409
    assert "bob" in answer.json()["message"]
    hub.stop_server("bob")
    assert call(hub, "bob", "POST", f"/{kept}/restore").status_code == 200


def test_there_are_ten_at_most(hub):
    hub.start_server("eve")
    hub.stop_server("eve")
    for _ in range(MAX_MANUAL):
        keep(hub, "eve")
    assert call(hub, "eve", "POST", "").status_code == 409


def test_a_state_that_there_is_not_is_said(hub):
    answer = call(hub, "ada", "POST", f"/{MISSING}/restore")
    assert answer.status_code == 404
    assert MISSING in answer.json()["message"]
    assert call(hub, "facilitator", "POST", "").status_code in {403, 404}


def test_a_machine_s_token_and_services_may_not(hub):
    hub.start_server("ada")
    token = hub.server_token("ada")
    assert hub.api("POST", "vmlab/data/snapshots", token=token).status_code == 403
    assert hub.api("POST", "vmlab/data/snapshots").status_code == 403
    hub.stop_server("ada")


def download(hub, user: str, form: str, link_of: str = ""):
    """Download a disk by the link of the user's own page, or of somebody else's."""
    session = hub.login(user)
    page = hub.login(link_of) if link_of else session
    proof = page.cookies.get("_xsrf", path="/hub/")
    url = f"{hub.base_url}/hub/vmlab/data/disk"
    return session.get(url, params={"format": form, "_xsrf": proof}, timeout=60)


@pytest.mark.parametrize("form", ["raw", "../x", "", "zip"])
def test_a_disk_has_a_format_that_others_open(hub, form):
    assert download(hub, "ada", form).status_code == 400


def test_a_disk_of_nobody_and_one_of_ones_own(hub):
    assert download(hub, "facilitator", "qcow2").status_code == 404
    answer = download(hub, "ada", "qcow2")
    assert answer.status_code == 200
    assert answer.content[:4] == b"QFI\xfb"
    assert len(answer.content) == int(answer.headers["Content-Length"])


# -- readers that are slow, or mean ----------------------------------------------------------------


def fill_home(hub, user: str) -> None:
    """Have something in a volume, as a machine's work would."""
    volume = hub.folder / "volumes" / f"{volume_name(user)}.qcow2"
    words = ["qemu-io", "-f", "qcow2", "-c", f"write -P 7 200M {HOME_MIB}M", str(volume)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def proof(session) -> str:
    """What the page of one's own data puts into its links."""
    return session.cookies.get("_xsrf", path="/hub/")


def begin_download(hub, session) -> socket.socket:
    """Ask for one's disk, and read no more than that it comes."""
    cookies = "; ".join(f"{c.name}={c.value}" for c in session.cookies)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(60)
    reader.connect(("127.0.0.1", hub.port))
    path = f"/hub/vmlab/data/disk?format=qcow2&_xsrf={quote(proof(session))}"
    host = urlsplit(hub.base_url).netloc
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += reader.recv(256)
    assert head.startswith(b"HTTP/1.1 200"), head
    return reader


def drip(reader: socket.socket, ended: threading.Event) -> int:
    """Read some 10 KiB a second for as long as anything comes."""
    got = 0
    while not ended.wait(0.1) and (piece := reader.recv(1024)):
        got += len(piece)
    return got


def ask_for_disk(hub, session):
    url = f"{hub.base_url}/hub/vmlab/data/disk"
    return session.get(url, params={"format": "qcow2", "_xsrf": proof(session)}, timeout=60)


def copies(hub) -> list[str]:
    work = hub.folder / "volumes" / "work"
    return [path.name for path in work.iterdir()] if work.is_dir() else []


@pytest.mark.attack("volumes.slow-readers", "two downloads of which nothing, or a drip, is read")
def test_slow_readers_keep_nobody_waiting_and_are_ended(hub, tried):
    for user in ("bob", "eve"):
        hub.start_server(user)
        hub.stop_server(user)
        fill_home(hub, user)
    kept = keep(hub, "bob")
    ada, bob, eve = (hub.login(user) for user in ("ada", "bob", "eve"))
    ended = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(closing(begin_download(hub, bob)))
        assert ask_for_disk(hub, bob).status_code == 429, "one of one's own at a time"
        dripping = stack.enter_context(closing(begin_download(hub, eve)))
        threading.Thread(target=drip, args=(dripping, ended), daemon=True).start()
        stack.callback(ended.set)
        whole = ask_for_disk(hub, ada)
        assert (whole.status_code, whole.content[:4]) == (200, b"QFI\xfb")
        gone = call(hub, "bob", "DELETE", f"/{kept}")
        assert gone.status_code == 204, "nothing of the volume is held"
        wait_until(lambda: not copies(hub))
        assert hub.log.read_text().count("the download of the disk was cut off") == 2
    tried(2)
    assert ask_for_disk(hub, bob).ok, "afterwards as before"


def test_a_reader_that_goes_away_leaves_no_copy(hub):
    begin_download(hub, hub.login("bob")).close()
    wait_until(lambda: not copies(hub))


@pytest.mark.attack("origin.downloads", "leads to the disk image by links that no page made")
def test_a_link_that_the_page_did_not_make_downloads_nothing(hub, tried):
    url = f"{hub.base_url}/hub/vmlab/data/disk?format=qcow2"
    links = [url, f"{url}&_xsrf=", f"{url}&_xsrf=%C3%A9", f"{url}&_xsrf=None"]
    for link in links:
        assert hub.login("ada").get(link, timeout=60).status_code == 403
    answer = download(hub, "ada", "qcow2", link_of="bob")
    assert answer.status_code == 403
    assert "My data" in answer.text
    tried(len(links) + 1)
