"""A lab whose homes are on the event's file server: what the hub shows and refuses."""

from __future__ import annotations

from html import unescape

import pytest

from hub.running_hub import RunningHub

LAB = """
[server]
volume = "4G"
files = true
[volume]
size = "64M"
home = "server"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(folder, trainees=("ada",), lab_lines=LAB) as running:
        running.start_server("ada")
        yield running


def test_the_data_page_says_where_the_home_is(hub):
    page = unescape(hub.login("ada").get(f"{hub.base_url}/hub/vmlab/data", timeout=60).text)
    assert "Your home folder is on the class's file server." in page
    assert "sur le serveur de fichiers commun" in page
    assert "vmlab/home.tar.gz" in page
    assert "data/disk" not in page


def test_a_machine_is_told_why_there_are_no_earlier_states(hub):
    answer = hub.api("GET", "vmlab/volume/snapshots", token=hub.server_token("ada"))
    assert answer.status_code == 404
    assert "this home is on the file server" in answer.json()["message"]


def test_the_server_runs_beside_the_desk(hub):
    states = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator"))
    assert states.status_code == 200
    assert [(m["label"], m["state"]) for m in states.json()["shared"]] == [("server", "running")]
