"""What the superblock of ext4 tells."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.superblocks import BLOCK, make_superblock, spaces
from vmlab_protocol.ext4 import (
    SUPERBLOCK_BYTES,
    Ext4Error,
    Space,
    has_project_quota,
    is_in_order,
    read_space,
)


@given(spaces)
def test_the_superblock_tells_the_space(space):
    assert read_space(make_superblock(space)) == space


@given(st.binary(max_size=2048))
def test_anything_else_is_no_superblock(data):
    if data[0x38:0x3A] != b"\x53\xef":
        with pytest.raises(Ext4Error):
            read_space(data)
        assert not is_in_order(data)


@given(st.binary(min_size=SUPERBLOCK_BYTES, max_size=SUPERBLOCK_BYTES))
def test_any_superblock_is_read_or_refused(data):
    for content in (data, data[:0x38] + b"\x53\xef" + data[0x3A:]):
        with contextlib.suppress(Ext4Error):
            assert read_space(content).size_bytes > 0


@given(spaces)
def test_the_size_is_that_of_all_blocks(space):
    assert read_space(make_superblock(space)).size_bytes == space.total * BLOCK


def test_a_file_system_without_blocks_is_none():
    with pytest.raises(Ext4Error, match="damaged"):
        read_space(make_superblock(Space(0, 0, 0, BLOCK)))


def test_a_file_system_limits_projects_or_does_not():
    space = Space(1000, 500, 50, BLOCK)
    assert has_project_quota(make_superblock(space, limits_projects=True))
    assert not has_project_quota(make_superblock(space))
    assert not has_project_quota(b"")
