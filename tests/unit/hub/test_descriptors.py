"""How many descriptors a hub needs, and who gets which part of them."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from vmlab.errors import HostError
from vmlab.hub.descriptors import SERVICE_LIMIT, descriptors_for, read_limit
from vmlab.network.relay import MAX_OUTWARD
from vmlab.spawning.refusal import as_lab_error


def test_a_hub_has_room_for_every_machine_that_attacks_it():
    assert descriptors_for(0) > 100
    assert descriptors_for(7) - descriptors_for(6) > 4 * MAX_OUTWARD
    assert descriptors_for(2000) < SERVICE_LIMIT


def test_the_limit_of_a_process_is_read():
    assert read_limit(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_a_start_without_descriptors_says_so(code):
    error = as_lab_error("desk-ada-0", OSError(code, os.strerror(code)))
    assert isinstance(error, HostError)
    assert "desk-ada-0: no file descriptor is left" in error.message
    assert "vmlab doctor" in error.hint


def test_another_error_is_none_of_descriptors():
    error = as_lab_error("desk-ada-0", OSError(errno.ENOENT, "gone"))
    assert not isinstance(error, HostError)
    assert "unexpected FileNotFoundError" in error.message
