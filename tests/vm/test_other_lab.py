"""A lab with other settings than the default: French, and with the internet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from browser.conftest import log_in, shot
from hub.running_hub import RunningHub
from vm.desk import PAGE_LIMIT_MS, Desk
from vm.test_desk import PROBE, listen_on_host
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]


HOST_ADDRESS = "198.51.100.8"
"""An address of the host outside the private ranges, as a server in a data centre has."""


# What the archive offers is 90 MiB to unpack and to read, minutes of an emulated processor: of that
# source only the signed list of its files is fetched; of security updates the packages, too.
SOURCES = "-o Dir::Etc::SourceList=/tmp/sources.list"
SMALL_INDEX = """
cp /etc/apt/sources.list /tmp && grep -q -e -security /tmp/sources.list || exit 0
sed -i '/-security/!s/^deb \\[/&target=Contents-deb /' /tmp/sources.list
"""
FIRST_PACKAGE = (
    f"apt-cache {SOURCES} policy "
    f"$(apt-cache {SOURCES} dumpavail | sed -n '/^Package: /{{s///;p;q}}')"
)


@pytest.fixture(scope="module")
def desk(desk_image):
    if os.geteuid() != 0:
        pytest.skip("giving the host an address needs root")
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    allow = "c.VMSpawner.internet = True\n"
    subprocess.run(["ip", "address", "add", f"{HOST_ADDRESS}/32", "dev", "lo"], check=True)
    try:
        with RunningHub(
            folder, provider="qemu", cache=cache, extra_config=allow, language="fr"
        ) as hub:
            made = Desk(hub, "ada", cache)
            made.start()
            yield made
            made.stop()
    finally:
        subprocess.run(["ip", "address", "delete", f"{HOST_ADDRESS}/32", "dev", "lo"], check=True)
    shutil.rmtree(folder)


def test_jupyterlab_and_checks_speak_french_and_a_switch_changes_account_and_machine(
    desk, new_page
):
    page = new_page(locale="fr-FR")
    log_in(page, desk.hub, "ada")
    page.set_default_timeout(PAGE_LIMIT_MS)
    page.goto(f"{desk.hub.machine_url('ada')}/lab")
    page.wait_for_selector("#vmlab-cover", state="detached")
    page.locator("text=Fichier").first.wait_for()
    assert page.locator("text=nouvelles officielles de Jupyter").count() == 0
    shot(page, "desk-lab-french")
    assert desk.run("cat /run/vmlab/language").strip() == "fr"

    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Reload the page").click()
    page.get_by_role("menuitem", name="File", exact=True).wait_for()
    assert desk.run("cat /run/vmlab/language").strip() == "en"
    token = desk.hub.user_token("ada")
    assert desk.hub.api("GET", "vmlab/language", token=token).json()["language"] == "en"
    shot(page, "desk-lab-switched")
    # And back from the hub's side; what begins from now on speaks French, nothing was restarted.
    began = desk.run("pgrep -o jupyterhub-sing")
    body = {"language": "fr"}
    assert desk.hub.api("POST", "vmlab/language", token=token, json=body).ok
    assert desk.run("bash -lc 'echo $LANGUAGE'").strip() == "fr"
    said = desk.run("/opt/vmlab/bin/python -c 'from lab.words import *; print(find_language())'")
    assert said.strip() == "fr"
    assert desk.run("pgrep -o jupyterhub-sing") == began


def test_packages_can_be_fetched_and_the_host_stays_out_of_reach(desk):
    # Debian's own client through the machine's own sources.
    desk.run(SMALL_INDEX)
    listed = desk.run(f"sudo apt-get {SOURCES} update -q 2>&1 && {FIRST_PACKAGE}")
    assert "Candidate:" in listed
    assert "Err:" not in listed

    port, host_port = listen_on_host(HOST_ADDRESS), listen_on_host()
    targets = [
        (HOST_ADDRESS, port),
        ("10.0.2.2", host_port),
        ("10.0.3.2", host_port),  # slirp4netns's own gateway
        ("127.0.0.1", host_port),
    ]
    code = PROBE.format(targets=targets, loopback=host_port)
    found = json.loads(desk.run("sudo python3 -", stdin=code.encode()))
    assert found["open"] == []
    assert found["gateway"] == [2222, 8000, 8081, 8888]
