"""Full homes: what the superblock tells, the reserve, what takes the space, and what is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from fakes.superblocks import BLOCK, make_superblock, spaces
from lab.space import make_space_html, make_space_text
from vmlab_guest.notices import add_notice, apply_notices
from vmlab_guest.reserve import (
    apply_reserve,
    choose_reserve,
    is_full,
    was_full,
)
from vmlab_guest.space import Entry, Usage, find_usage, show_bytes, show_path
from vmlab_protocol.ext4 import Space
from vmlab_protocol.notices import Language, Notice

GIB = 2**30


def gib(free: float, reserved: float) -> Space:
    """Of a volume of 1 GiB; the numbers in MiB."""
    return Space(GIB // BLOCK, int(free * 256), int(reserved * 256), BLOCK)


def test_a_full_home_gets_the_reserve_and_a_roomy_one_gives_it_back():
    assert choose_reserve(gib(free=51, reserved=51)) == 0
    assert choose_reserve(gib(free=60, reserved=0)) == 0, "not before there is room"
    assert choose_reserve(gib(free=300, reserved=0)) == GIB // BLOCK // 20
    assert choose_reserve(gib(free=900, reserved=51)) == 51 * 256


@given(spaces)
def test_a_reserve_settles_and_leaves_room(space):
    first = choose_reserve(space)
    second = choose_reserve(Space(space.total, space.free, first, BLOCK))
    settled = Space(space.total, space.free, second, BLOCK)
    assert choose_reserve(settled) == second
    if second:
        assert not is_full(settled), "the next start would find a full home"


def put_home(tmp_path: Path, space: Space) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.add_disk("vdb", "home", make_superblock(space))
    return system


def apply(system: FakeSystem) -> None:
    apply_reserve(system, system.root / "dev/vdb", "/dev/vdb")


def test_a_full_home_is_noted_until_a_start_finds_room(tmp_path):
    system = put_home(tmp_path, gib(free=51, reserved=51))
    apply(system)
    assert system.commands == ["tune2fs -r 0 /dev/vdb"]
    assert was_full(system)
    (system.root / "dev/vdb").write_bytes(bytes(1024) + make_superblock(gib(900, 51)))
    apply(system)
    assert not was_full(system)


def test_a_reserve_that_cannot_be_changed_is_no_reason_not_to_start(tmp_path):
    system = put_home(tmp_path, gib(free=0, reserved=51))
    system.fail = {"tune2fs": "no"}
    apply(system)
    assert "stays as it is: no" in system.logged[-1]
    assert was_full(system)


def test_what_is_no_file_system_is_left_alone(tmp_path):
    system = FakeSystem(tmp_path / "root")
    system.add_disk("vdb", "home")
    apply(system)
    assert not system.commands


def test_a_notice_more_spares_those_there_are(tmp_path):
    system = FakeSystem(tmp_path / "root")
    apply_notices(system, [Notice("one", "un")])
    add_notice(system, Notice("two", "deux"))
    add_notice(system, Notice("two", "deux"))
    table = json.loads((system.root / "run/vmlab/notices.json").read_text())
    assert [row["en"] for row in table] == ["one", "two"]
    assert len(list((system.root / "run/vmlab/notices.d").iterdir())) == 4


def fill(home: Path) -> None:
    (home / "data/deep").mkdir(parents=True)
    (home / "data/deep/large").write_bytes(b"x" * 300_000)
    (home / "data/small").write_bytes(b"x" * 10)
    (home / "note.txt").write_bytes(b"x" * 50_000)
    os.link(home / "note.txt", home / "same.txt")
    (home / "loop").symlink_to(home)


def test_usage_counts_each_file_once_and_follows_no_link(tmp_path):
    fill(tmp_path)
    usage = find_usage(tmp_path, limit_s=60)
    sizes = {entry.path: entry.size_bytes for entry in usage.entries}
    assert sizes["data"] > 300_000
    assert sizes["note.txt"] + sizes["same.txt"] < 100_000
    assert sizes["loop"] < 10_000
    assert usage.entries[0].path == "data"
    assert usage.files[0].path == "data/deep/large"
    assert usage.is_complete


def test_too_much_to_look_at_is_said(tmp_path):
    fill(tmp_path)
    assert not find_usage(tmp_path, limit_s=60, most=2).is_complete
    assert not find_usage(tmp_path, limit_s=-1).is_complete


USAGE = Usage(GIB, 10 * 2**20, (Entry("<b>data", GIB // 2),), (Entry("a/b", 5),), is_complete=False)


@pytest.mark.parametrize("language", Language)
def test_space_is_shown_to_people(language):
    text, page = make_space_text(USAGE, language), make_space_html(USAGE, language)
    for shown in (text, page):
        assert "512.0 MiB" in shown
        assert "10.0 MiB" in shown
    assert "&lt;b&gt;data" in page
    assert "<b>data" not in page
    assert f'lang="{language}"' in page


@given(st.text())
def test_any_path_is_one_printable_line(path):
    shown = show_path(path)
    assert shown.isprintable()
    assert len(shown) <= 62


def test_sizes_for_people():
    sizes = [show_bytes(n) for n in (0, 1023, 1536, 5 * 2**20, 3 * GIB)]
    assert sizes == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 GiB"]
