"""A machine's own snapshots over the API of a real hub: listed, shown, and nobody else's."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub.running_hub import RunningHub
from vmlab.names import volume_name
from vmlab.paths import Paths
from vmlab.providers.fake import FakeProvider
from vmlab.providers.settings import ProviderSettings
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.snapshots import Reason


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    with RunningHub(folder, trainees=("ada", "bob")) as running:
        for user in ("ada", "bob"):
            running.start_server(user)
        yield running


def call(hub, method: str, path: str, user: str):
    return hub.api(method, f"vmlab/volume/{path}", token=hub.server_token(user))


def take(hub, user: str) -> str:
    """Take a snapshot of the machine that is off; its volume is free."""
    hub.stop_server(user)
    paths = Paths(state=hub.folder, cache=hub.folder)
    provider = FakeProvider(ProviderSettings("fake", hub.folder, hub.folder))
    store = VolumeStore(paths, provider, provider.volumes.context.find_user)
    taken = asyncio.run(store.snapshot(volume_name(user), Reason.MANUAL))
    hub.start_server(user)
    return taken.id


def test_snapshots_are_listed_and_shown_in_the_own_machine_only(hub):
    taken = take(hub, "ada")
    listed = call(hub, "GET", "snapshots", "ada").json()["snapshots"]
    assert [row["id"] for row in listed] == [taken]
    assert call(hub, "GET", "snapshots", "bob").json() == {"snapshots": []}
    opened = call(hub, "POST", f"snapshots/{taken}/open", "ada")
    assert opened.status_code == 200, opened.text
    assert call(hub, "POST", f"snapshots/{taken}/open", "bob").status_code == 404


def test_a_snapshot_that_there_is_not_is_said(hub):
    answer = call(hub, "POST", "snapshots/hourly-20200101T000000Z/open", "ada")
    assert answer.status_code == 404
    assert "hourly-20200101T000000Z" in answer.json()["message"]


def test_people_s_tokens_are_not_a_machine_s(hub):
    for who in ("ada", "admin", "facilitator"):
        token = hub.user_token(who)
        assert hub.api("GET", "vmlab/volume/snapshots", token=token).status_code == 403
