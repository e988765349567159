"""A trainee's way through a real machine: the desk image, a real hub, the proxy, chromium.

One machine serves all tests of this file, in the order in which they stand. A page of JupyterLab
and a boot cost most: there is one of each.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from browser.conftest import ARTIFACTS, log_in, shot
from fakes.waiting import LIMIT_S, wait_until
from hub.running_hub import PROJECT, RunningHub
from ssh.computer import Computer
from vm.desk import PAGE_LIMIT_MS, STOP_LIMIT_S, Desk
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

COURSE = PROJECT / "notebooks" / "first-steps"
STEPS = [
    f"{folder}/{step}"
    for folder, steps in {
        "01-who-am-i": ["user", "sudo", "home"],
        "02-processes-and-services": ["start", "stop", "service", "survive"],
        "03-network": ["address", "reach", "server"],
    }.items()
    for step in steps
]

FOLDERS = sorted({step.partition("/")[0] for step in STEPS})

# What a trainee had in front of them, at each change of each page on the way.
WATCH = """
(() => {
  const bare = () => {
    const cover = document.getElementById("vmlab-cover");
    if (cover) window.wasCovered = true;
    const files = document.querySelector(".jp-DirListing-item");
    const course = document.querySelector(".vmlab-course .vmlab-exercises");
    if (window.wasCovered && !cover && !(files && course)) console.error("vmlab-bare");
  };
  new MutationObserver(bare).observe(document, { childList: true, subtree: true });
})();
"""

CLOCK_S = 5
EXERCISES = ["02-processes-and-services/exercise.ipynb", "03-network/exercise.ipynb"]


@pytest.fixture(scope="module")
def hub(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    with RunningHub(folder, provider="qemu", cache=cache) as running:
        push(running, COURSE)
        yield running
        for name in ("ada", "bob"):
            if running.server(name):
                running.stop_server(name, limit_s=STOP_LIMIT_S)
        shutil.copy(running.log, ARTIFACTS / "desk-hub.log")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(hub):
    return Desk(hub, "ada", default_paths().cache)


def push(hub, course: Path) -> dict:
    return run_course(hub, "push", course)


def run_course(hub, *words: str | Path) -> dict:
    """Run a command of `vmlab course`; return its answer."""
    done = subprocess.run(
        [Path(sys.executable).with_name("vmlab"), "course", *words, "--json"],
        env={
            "VMLAB_STATE": str(hub.folder),
            "PATH": "/usr/bin:/bin",
            "VMLAB_PROJECT": str(PROJECT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def board_row(hub, user="ada") -> dict:
    rows = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()["rows"]
    return next(row for row in rows if row["user"] == user)


def passed_steps(row: dict) -> set[str]:
    return {step for step, result in row["steps"].items() if result["passed"]}


def test_a_first_start_leads_to_the_course_its_files_and_a_hint(hub, new_page):
    page = new_page()
    page.set_default_timeout(PAGE_LIMIT_MS)
    page.context.add_init_script(WATCH)
    bare: list[str] = []
    page.on("console", lambda said: bare.append(said.text) if "vmlab-bare" in said.text else None)
    kept: list[str] = []
    page.on("response", lambda a: kept.append(a.headers.get("cache-control", "")))
    log_in(page, hub, "ada")
    page.get_by_role("link", name="Start here: Who am I?").click()
    page.wait_for_selector("#vm-start")
    page.wait_for_url("**/user/ada/lab**", wait_until="commit")
    # The machine's page has something to show with its first byte.
    expect(page.locator("#vmlab-cover, #jp-main-dock-panel").first).to_be_attached()
    expect(page.locator("#vmlab-cover")).to_have_count(0, timeout=PAGE_LIMIT_MS)
    assert bare == [], "JupyterLab was shown before its course and its files were there"
    tabs = page.locator("#jp-main-dock-panel").get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(tabs.nth(1)).to_have_attribute("data-vmlab-title", "Who am I?")
    expect(page.locator(".jp-DirListing-item", has_text="first-steps")).to_be_visible()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    shot(page, "desk-lab-opens")
    tabs.first.click()
    here = page.locator(".vmlab-course li[aria-current=step]")
    expect(here).to_contain_text("Who am I?")
    shot(page, "desk-course")
    assert sum("immutable" in each for each in kept) > 40, "JupyterLab's files came from the host"
    page.get_by_role("menuitem", name="Lab", exact=True).click()
    with page.expect_popup() as popup:
        page.locator("#vmlab-menu .lm-Menu-item", has_text="My Data").click()
    popup.value.wait_for_url("**/hub/vmlab/data")
    popup.value.close()
    tabs.nth(1).click()
    see_hint(page)
    assert requests.get(f"{hub.machine_url('ada')}/api", timeout=LIMIT_S).json()["version"]


def see_hint(page) -> None:
    """Run all cells of the notebook on the page; what its first check says is seen."""
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle")
    page.click(".lm-MenuBar-itemLabel:text-is('Run')")
    page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
    hint = page.locator(".jupyter-widgets", has_text="First replace the three dots").first
    hint.wait_for()
    hint.scroll_into_view_if_needed()
    shot(page, "desk-check")


def test_identity_clock_and_disk(desk):
    told = desk.run("hostname; cat /etc/machine-id; id -un; sudo -n id -un; stat -c %U ~")
    host, machine_id, user, root, owner = told.split()
    identity = json.loads(desk.folder.identity.read_text())
    assert (host, machine_id) == ("desk-ada", identity["machine_id"])
    assert (user, root, owner) == ("trainee", "root", "trainee")
    assert desk.clock_error_s() < CLOCK_S
    assert "/dev/vdb" in desk.run("findmnt -no SOURCE /home/trainee")
    size_mib = int(desk.run("df --output=size -m /home/trainee | tail -1"))
    assert 900 < size_mib <= 1024


def test_memory_that_nobody_looks_at_is_compressed(desk):
    """Without it, the course of the acquisition has no room in the default machine."""
    name, kind, size = desk.run("swapon --noheadings --bytes --show=NAME,TYPE,SIZE").split()
    assert (name, kind) == ("/dev/zram0", "partition")
    total_kib = int(desk.run("awk '/MemTotal/ { print $2 }' /proc/meminfo"))
    assert int(size) >= total_kib * 1024 // 2


def test_the_server_knows_the_hub_and_hides_its_token(desk, desk_image):
    token = desk.hub.server_token("ada")
    desk.run("cat > ~/found", stdin=token.encode())  # so that a search that finds nothing shows
    # By standard input: sudo notes the words of its commands in the journal.
    places = "/etc /home /opt /root /tmp /var"
    # What is older than the token cannot have it: a file's ctime tells, whatever its mtime says.
    since = f"-newerct @{int(desk_image.created)}"
    search = f"sudo find {places} -type f {since} -exec grep -lFf /dev/shm/token {{}} +"
    found = desk.run(
        f"cat > /dev/shm/token; {search}; rm /dev/shm/token", stdin=token.encode(), check=False
    )
    assert found == "/home/trainee/found\n"
    desk.run("rm ~/found")
    assert desk.run("stat -c '%a %U' /run/vmlab/server.json").split() == ["600", "root"]
    assert token not in desk.run("sudo journalctl --no-pager; cat /proc/*/cmdline 2>/dev/null")
    assert token not in desk.folder.console.read_text(errors="replace")


def test_the_machine_reaches_hub_and_proxy_and_no_other_port_of_the_host(desk, hub):
    host_port = listen_on_host()
    own_address = "198.51.100.7"
    subprocess.run(["ip", "address", "add", f"{own_address}/32", "dev", "lo"], check=True)
    try:
        outside = listen_on_host(own_address)
        code = PROBE.format(
            targets=[
                ("10.0.2.2", 8081),
                ("10.0.2.2", 8000),
                ("10.0.2.2", host_port),
                ("10.0.2.2", hub.port),
                ("10.0.2.2", 22),
                ("10.0.2.3", host_port),
                (own_address, outside),
                (own_address, 22),
            ],
            loopback=host_port,
        )
        found = json.loads(desk.run("sudo python3 -", stdin=code.encode()))
    finally:
        subprocess.run(["ip", "address", "delete", f"{own_address}/32", "dev", "lo"], check=True)
    assert found["open"] == [["10.0.2.2", 8081], ["10.0.2.2", 8000]]
    # Every port of the host's loopback, tried from inside: only the two listeners are, and the
    # machine's own two, which QEMU's user network forwards back to it.
    assert found["gateway"] == [2222, 8000, 8081, 8888]
    hub_answer = desk.run("curl -sf http://10.0.2.2:8081/hub/api/")
    assert "version" in json.loads(hub_answer)


# One thread looks at many ports at once: under emulation, threads that take turns cost far more.
PROBE = """
import errno, json, select, socket, time
def open_ones(targets, limit=60):
    found = set()
    for at in range(0, len(targets), 128):
        tried, poll = {{}}, select.epoll()
        for target in targets[at:at + 128]:
            end = socket.socket()
            end.setblocking(False)
            if end.connect_ex(target) in (0, errno.EINPROGRESS):
                tried[end.fileno()] = end, target
                poll.register(end, select.EPOLLOUT)
        until = time.monotonic() + limit
        while tried and (left := until - time.monotonic()) > 0:
            for number, _ in poll.poll(left):
                end, target = tried.pop(number)
                if not end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    found.add(target)
                end.close()
        poll.close()
    return [target for target in targets if target in found]
ports = sorted(set(range(1, 10000)) | {{ {loopback} }})
gateway = [port for _, port in open_ones([("10.0.2.2", port) for port in ports])]
print(json.dumps(dict(open=open_ones({targets}), gateway=gateway)))
"""


def listen_on_host(address: str = "127.0.0.1") -> int:
    """Listen for the rest of the run, and accept, so that an open way would show."""
    listener = socket.create_server((address, 0))
    threading.Thread(target=accept_all, args=(listener,), daemon=True).start()
    return listener.getsockname()[1]


def accept_all(listener: socket.socket) -> None:
    while True:
        listener.accept()[0].close()


@pytest.mark.parametrize(
    "exercises",
    [FOLDERS[1:2], pytest.param([FOLDERS[0], *FOLDERS[2:]], marks=pytest.mark.long)],
    ids=["one", "others"],
)
def test_the_course_is_there_and_every_check_fails_before_and_passes_after(desk, hub, exercises):
    if not desk.folder.is_running():
        desk.start()  # the long play begins here
    wait_until(lambda: "01-who-am-i" in desk.run("ls ~/first-steps"))
    assert "solution.ipynb" not in desk.run("find ~/first-steps /var/lib/vmlab/courses")
    known = passed_steps(board_row(hub))
    wanted = []
    for folder in exercises:
        solution = (COURSE / folder / "solution.ipynb").read_bytes()
        desk.run(f"cat > /tmp/{folder}.ipynb", stdin=solution)
        exercise = f"first-steps/{folder}"
        solved = f"/tmp/{folder}.ipynb"
        wanted += [(exercise, *PATIENCE), (solved, "--in", exercise, *PATIENCE)]
    played = play_all(desk, *wanted)
    for before, after in zip(played[::2], played[1::2], strict=True):
        assert {c["passed"] for c in before["checks"]} == {False}, before
        assert {c["passed"] for c in after["checks"]} == {True}, after
        assert after["errors"] == []
    steps = {step for step in STEPS if step.partition("/")[0] in exercises}
    row = wait_until(lambda: (r := board_row(hub)) and passed_steps(r) == known | steps and r)
    assert row["state"] == "running"
    assert abs(time.time() - row["last_progress"]) < 300


# All in one program: what it imports takes it longer than a notebook does.
PLAY = """
import contextlib, io, json
from vmlab_guest.play import main
for words in {plays}:
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert main(list(words)) == 0, words
    print(json.dumps(json.loads(told.getvalue())))
"""
APART = """
import subprocess, sys
done = subprocess.run([sys.executable, "-c", {code!r}], capture_output=True, text=True)
print(done.stdout if done.returncode == 0 else done.stderr)
"""
PATIENCE = ("--deadline", "600")  # seconds for a cell: some run several programs in a row


def play_all(desk, *plays: tuple[str, ...]) -> list[dict]:
    """Play notebooks from one kernel of the trainee's own server, with the server's own token."""
    told = desk.python(APART.format(code=PLAY.format(plays=plays)))
    try:
        return [json.loads(line) for line in told.splitlines() if line]
    except ValueError as error:
        raise AssertionError(told) from error


def test_a_pushed_course_arrives_and_spares_what_the_trainee_edited(desk, hub, tmp_path):
    edited = "first-steps/01-who-am-i/exercise.ipynb"
    untouched = "first-steps/02-processes-and-services/exercise.ipynb"
    desk.run(f"sed -i 's/Who am I/MY NOTES/' ~/{edited}")
    course = tmp_path / "first-steps"
    shutil.copytree(COURSE, course)
    for path in (edited, untouched):
        file = tmp_path / path
        file.write_text(file.read_text().replace("# ", "# Revised: ", 1))
    version = push(hub, course)["version"]
    beside = edited.replace(".ipynb", f".v{version}.ipynb")
    wait_until(lambda: desk.run(f"ls ~/{beside}", check=False), limit_s=300)
    receipt = wait_until(lambda: receipts(hub, version))[0]  # then all of it is delivered
    assert "MY NOTES" in desk.run(f"cat ~/{edited}")
    assert "Revised: " in desk.run(f"cat ~/{untouched}")
    assert (receipt["user"], receipt["kept"]) == ("ada", [edited.partition("/")[2]])
    words = f"Version {version} of the course first-steps has arrived"
    wait_until(lambda: words in desk.run("cat /run/vmlab/notices.json"))


def test_obstacles_in_a_home_and_a_course_that_is_taken_back(desk, hub, tmp_path):
    """What only a real machine has: root's folders, locked files, the agent and its helper."""
    course = tmp_path / "first-steps"
    shutil.copytree(COURSE, course)
    (course / "a-last.md").write_text("one")
    first = push(hub, course)["version"]
    wait_until(lambda: receipts(hub, first), limit_s=300)
    desk.run(
        "cd ~/first-steps && rm -r 03-network && ln -s 03-network 03-network"
        " && sudo chown -R root:root 02-processes-and-services"
        " && sudo chmod -R go-w 02-processes-and-services"
    )
    for path in (*EXERCISES, "a-last.md"):
        file = course / path
        file.write_text(file.read_text().replace("# ", "# Again: ", 1) + "\n")
    version = push(hub, course)["version"]
    receipt = wait_until(lambda: receipts(hub, version), limit_s=300)[0]
    assert {o["path"]: (o["reason"], o["beside"]) for o in receipt["obstacles"]} == {
        EXERCISES[0]: ("forbidden", f"first-steps/{EXERCISES[0].replace('/', f'.v{version}/')}"),
        EXERCISES[1]: ("not-a-folder", f"first-steps/{EXERCISES[1].replace('/', f'.v{version}/')}"),
    }
    for obstacle in receipt["obstacles"]:
        assert "Again: " in desk.run(f"cat ~/{obstacle['beside']}")
    assert desk.run("cat ~/first-steps/a-last.md") == "one\n"
    (note,) = wait_until(lambda: board_row(hub)["notes"])
    assert EXERCISES[0] in note["fr"]
    wait_until(lambda: "le nom de son dossier" in desk.run("cat /run/vmlab/notices.d/*.fr"))

    gone = run_course(hub, "remove", "first-steps", "--yes")["version"]
    receipt = wait_until(lambda: receipts(hub, gone), limit_s=300)[0]
    assert "01-who-am-i/exercise.ipynb" in receipt["kept"]
    assert not desk.run("ls ~/first-steps/a-last.md", check=False)
    assert "MY NOTES" in desk.run("cat ~/first-steps/01-who-am-i/exercise.ipynb")
    assert not desk.run("sudo ls /var/lib/vmlab/courses/first-steps", check=False)
    desk.run("sudo rm -r ~/first-steps/02* ~/first-steps/03*")
    back = push(hub, COURSE)["version"]
    receipt = wait_until(lambda: receipts(hub, back), limit_s=300)[0]
    assert receipt["obstacles"] == []
    assert desk.run(f"ls ~/first-steps/{EXERCISES[1]}")


def receipts(hub, version: int) -> list[dict]:
    answer = hub.api("GET", "vmlab/courses/first-steps/receipts", token=hub.cli_token)
    return [r for r in answer.json()["receipts"] if r["version"] == version]


@pytest.mark.parametrize("command", ["apt-get update", "apt-get install -y no-such-package"])
def test_apt_says_at_once_that_the_lab_has_no_internet(desk, command):
    said = desk.run(f"sudo timeout 300 {command} 2>&1", check=False)
    assert said.count("This lab has no internet") == 1, said


def test_the_facilitator_sees_it_on_the_board(hub, new_page):
    page = new_page(viewport={"width": 1400, "height": 900})
    log_in(page, hub, "facilitator", path="/hub/admin")
    row = page.locator("#vm-board-table tr", has_text="ada")
    row.wait_for()
    assert "10" in row.inner_text()
    shot(page, "desk-board")


def test_ssh_from_the_trainee_s_own_computer(hub, desk, tmp_path):
    """By the lines of the page, through the hub's own address, into the machine's own sshd."""
    ada = Computer(tmp_path / "home", hub, "ada")
    ada.register()  # the machine runs: its agent takes the key at once
    ada.set_up()
    sent = os.urandom(200_000)
    done = ada.ssh("desk", "cat > sent && id -un && hostname", said=sent)
    assert done.stdout.split() == [b"trainee", b"desk-ada"], done.stderr.decode()
    assert ada.ssh("root@desk", "cat /home/trainee/sent && rm /home/trainee/sent").stdout == sent
    settings = desk.run("sudo sshd -T | grep -E '^(password|kbdinteractive)authentication'")
    assert settings.split() == [
        "passwordauthentication",
        "no",
        "kbdinteractiveauthentication",
        "no",
    ]


def test_a_killed_hub_finds_the_machine_again(hub, desk):
    old_token = hub.server_token("ada")
    hub.stop(signal.SIGKILL)
    assert desk.folder.is_running()
    assert requests.get(f"{hub.machine_url('ada')}/api", timeout=LIMIT_S).ok, "the proxy lives on"
    hub.start()
    wait_until(lambda: hub.server("ada").get("ready"))
    assert requests.get(f"{hub.machine_url('ada')}/api", timeout=LIMIT_S).ok
    assert hub.api("GET", "user", token=old_token).ok
    assert "version" in json.loads(desk.run("curl -sf http://10.0.2.2:8081/hub/api/"))
    desk.run(
        "echo precious > ~/work.txt; sudo install -m755 /bin/true /usr/local/bin/installed; sync"
    )
    desk.stop()
    # JupyterHub 6.1 forgets this token at a restart; VMSpawner.stop revokes it.
    assert hub.api("GET", "user", token=old_token).status_code == 403


def test_everything_is_there_after_stop_and_start(hub, desk, new_page):
    assert not desk.folder.is_running()
    key = desk.folder.identity.read_text()
    page = new_page()
    log_in(page, hub, "ada")
    page.set_default_timeout(PAGE_LIMIT_MS)
    page.click("#start")
    page.wait_for_url("**/hub/spawn-pending/ada*")
    # No phase by name: which ones are seen depends on how the machine starts.
    page.wait_for_selector("#progress-message")
    shot(page, "desk-starting")
    page.wait_for_url("**/user/ada/lab*", wait_until="commit")
    page.close()
    assert desk.run("cat ~/work.txt").strip() == "precious"
    assert desk.run("ls /usr/local/bin/installed")
    assert "MY NOTES" in desk.run("cat ~/first-steps/01-who-am-i/exercise.ipynb")
    assert desk.folder.identity.read_text() == key
