"""The registry of volumes, on real SQLite files."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmlab.database import Database
from vmlab.database.engine import sqlite_url
from vmlab.errors import VolumeConflictError, VolumeNotFoundError
from vmlab.model import Volume, VolumeState


@pytest.fixture
def registry(tmp_path):
    database = Database(sqlite_url(tmp_path / "vmlab.sqlite"))
    yield database.volumes
    database.close()


def test_what_was_entered_first_stays(registry):
    first = registry.add(Volume("home-a", "ada", "", 64, 5.0))
    assert registry.add(Volume("home-a", "eve", "", 128, 6.0)) == first
    assert registry.all() == [first]


def test_a_holder_keeps_the_volume_until_released(registry):
    registry.add(Volume("home-a", "ada"))
    held = registry.hold("home-a", "desk-a", 7.0)
    assert (held.holder, held.held_since, held.state) == ("desk-a", 7.0, VolumeState.ATTACHED)
    assert registry.hold("home-a", "desk-a", 9.0) == held, "it has it already"
    with pytest.raises(VolumeConflictError, match=r"home-a: it is attached to desk-a") as told:
        registry.hold("home-a", "desk-b", 9.0)
    assert "vmlab machine kill desk-a" in told.value.hint
    assert registry.attached_to("desk-a") == [held]
    assert registry.release("desk-b") == []
    assert registry.release("desk-a") == ["home-a"]
    assert registry.release("desk-a") == []
    assert registry.hold("home-a", "desk-b", 9.0).holder == "desk-b"


def test_an_owner_is_entered_where_none_was_known(registry):
    registry.add(Volume("home-a"))
    assert registry.hold("home-a", "desk-a", 1.0, owner="ada").owner == "ada"
    assert registry.hold("home-a", "desk-a", 1.0, owner="eve").owner == "ada"


def test_of_many_at_once_one_gets_it(registry):
    registry.add(Volume("home-a"))
    barrier = threading.Barrier(8)

    def one(number: int) -> bool:
        barrier.wait()
        try:
            registry.hold("home-a", f"desk-{number}", 1.0)
        except VolumeConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1


def test_a_name_is_taken_once(registry):
    registry.add(Volume("home-a", "ada"))
    registry.add(Volume("home-b", "bob"))
    with pytest.raises(VolumeConflictError, match="already a volume"):
        registry.change("home-a", name="home-b")
    moved = registry.change("home-a", name="home-c", quarantined_at=3.0)
    assert (moved.owner, moved.state) == ("ada", VolumeState.QUARANTINED)
    assert [volume.name for volume in registry.all()] == ["home-b", "home-c"]


def test_what_is_unknown_is_named(registry):
    for act in (
        lambda: registry.hold("home-x", "desk-a", 1.0),
        lambda: registry.change("home-x", size_mib=1),
    ):
        with pytest.raises(VolumeNotFoundError, match="home-x: there is no such volume"):
            act()
    assert registry.find("home-x") is None
    registry.remove("home-x")
