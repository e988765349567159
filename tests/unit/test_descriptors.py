"""How many descriptors a hub needs, and who gets which part of them."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys

import pytest

from vmlab.descriptors import SERVICE_LIMIT, descriptors_for, most_from_machines, read_limit
from vmlab.errors import HostError
from vmlab.providers.qemu.shim import MOST_OUTWARD
from vmlab.refusal import as_lab_error

_RAISE = """
import resource, sys
from vmlab.descriptors import raise_limit
print(raise_limit(int(sys.argv[1])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("limits", "wanted", "now"),
    [("100:1000", 500, 500), ("100:1000", 5000, 1000), ("800:1000", 500, 800)],
)
def test_a_hub_raises_its_limit_as_far_as_it_needs_and_may(limits, wanted, now):
    words = ["prlimit", f"--nofile={limits}", "--", sys.executable, "-c", _RAISE, str(wanted)]
    said = subprocess.check_output(words, text=True).split()
    assert said == [str(now), str(now), "1000"]


@pytest.mark.parametrize("limit", [256, 1024, 20_000, SERVICE_LIMIT])
def test_machines_get_half_of_the_hubs_descriptors_at_most(limit, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert 0 < 2 * 3 * most_from_machines() <= limit / 2


def test_a_hub_has_room_for_every_machine_that_attacks_it():
    assert descriptors_for(0) > 100
    assert descriptors_for(7) - descriptors_for(6) > 2 * 3 * MOST_OUTWARD
    assert descriptors_for(2000) < SERVICE_LIMIT


def test_the_limit_of_a_process_is_read():
    assert read_limit(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_a_start_without_descriptors_says_so(code):
    error = as_lab_error("desk-ada-0", OSError(code, os.strerror(code)))
    assert isinstance(error, HostError)
    assert "desk-ada-0: no descriptor is left" in error.message
    assert "vmlab doctor" in error.hint


def test_another_error_is_none_of_descriptors():
    error = as_lab_error("desk-ada-0", OSError(errno.ENOENT, "gone"))
    assert not isinstance(error, HostError)
    assert "unexpected FileNotFoundError" in error.message
