"""Full homes: what the superblock tells, the reserve, what takes the space, and what is said."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from lab.space import make_space_html, make_space_text
from lab.words import Language
from vmlab_guest.ext4 import Space, read_space
from vmlab_guest.notices import add_notice, apply_notices
from vmlab_guest.reserve import (
    apply_reserve,
    choose_reserve,
    find_full_notice,
    is_full,
    make_full_notice,
)
from vmlab_guest.seed import Notice
from vmlab_guest.space import Entry, Usage, find_usage, show_bytes, show_path

GIB = 2**30
BLOCK = 4096


def make_superblock(space: Space) -> bytes:
    """As mke2fs writes it, with 64-bit counts."""
    data = bytearray(1024)
    low = [n & 0xFFFFFFFF for n in (space.total, space.reserved, space.free)]
    high = [n >> 32 for n in (space.total, space.reserved, space.free)]
    struct.pack_into("<III", data, 0x4, *low)
    struct.pack_into("<I", data, 0x18, (space.block_bytes // 1024).bit_length() - 1)
    struct.pack_into("<H", data, 0x38, 0xEF53)
    struct.pack_into("<I", data, 0x60, 0x80)
    struct.pack_into("<III", data, 0x150, *high)
    return bytes(data)


spaces = st.builds(
    lambda total, free, reserved: Space(total, min(total, free), min(total, reserved), BLOCK),
    st.integers(1, 2**40),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
)


@given(spaces)
def test_the_superblock_tells_the_space(space):
    assert read_space(make_superblock(space)) == space


@given(st.binary(max_size=2048))
def test_anything_else_is_no_superblock(data):
    if data[0x38:0x3A] != b"\x53\xef":
        assert read_space(data) is None


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
    (system.root / "home/trainee/big file\n").write_bytes(b"x" * 100_000)
    apply(system)
    assert system.commands == ["tune2fs -r 0 /dev/vdb"]
    notice = find_full_notice(system)
    assert notice is not None
    assert "~/big file·" in notice.en
    assert "plein" in notice.fr
    (system.root / "dev/vdb").write_bytes(bytes(1024) + make_superblock(gib(900, 51)))
    apply(system)
    assert find_full_notice(system) is None


def test_a_reserve_that_cannot_be_changed_is_no_reason_not_to_start(tmp_path):
    system = put_home(tmp_path, gib(free=0, reserved=51))
    system.fail = {"tune2fs": "no"}
    apply(system)
    assert "stays as it is: no" in system.logged[-1]
    assert find_full_notice(system) is not None


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


def test_the_notice_names_what_is_largest():
    notice = make_full_notice(USAGE)
    assert "512.0 MiB  ~/<b>data" in notice.en
    assert "~/a/b" in notice.fr


@given(st.text())
def test_any_path_is_one_printable_line(path):
    shown = show_path(path)
    assert shown.isprintable()
    assert len(shown) <= 62


def test_sizes_for_people():
    sizes = [show_bytes(n) for n in (0, 1023, 1536, 5 * 2**20, 3 * GIB)]
    assert sizes == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 GiB"]
