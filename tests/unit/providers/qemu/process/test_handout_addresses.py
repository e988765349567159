"""Where QEMU says that a path is, may be anything."""

from __future__ import annotations

import ctypes
import os

import pytest

from vmlab.providers.qemu.process.handout import _read_text


def test_a_path_is_read_where_it_is():
    path = ctypes.create_string_buffer(b"/volumes/home-ada.qcow2")
    assert _read_text(os.getpid(), ctypes.addressof(path)) == b"/volumes/home-ada.qcow2"


@pytest.mark.parametrize("address", [0, 2**63 - 1, 2**63, 2**64 - 1])
def test_nothing_is_read_where_nothing_is(address):
    assert _read_text(os.getpid(), address) == b""
