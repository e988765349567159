"""The reserve that lets a trainee work when the home is full.

A part of the file system is kept from the trainee as long as there is room (ext4's reserved
blocks). A start that finds the home full gives it to them, so that files can be saved and moved
while they tidy up; a later start that finds room again takes it back. What they are told is
`filling`'s.
"""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.errors import AgentError
from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System
from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Ext4Error, Space, read_space

_SHARE = 20  # one in so many blocks is reserved,
_MAX_BYTES = 256 * 2**20  # but not more than this
_FULL_BYTES = 16 * 2**20  # a home with less room for the trainee is full


def choose_reserve(space: Space) -> int:
    """Return how many blocks to reserve: none of a full home, the usual part of a roomy one.

    What is near the usual part stays as it is: a change costs every start a program.
    """
    if is_full(space):
        return 0
    usual = min(space.total // _SHARE, _MAX_BYTES // space.block_bytes)
    # What is taken back must not make the next start find a full home.
    is_roomy = space.free - usual >= 3 * max(usual, _full_blocks(space))
    return usual if is_roomy and not usual // 2 <= space.reserved <= usual * 2 else space.reserved


def is_full(space: Space) -> bool:
    """Return whether the trainee has no room to work, the reserve apart."""
    return space.free - space.reserved < _full_blocks(space)


def _full_blocks(space: Space) -> int:
    return full_bytes(space.size_bytes) // space.block_bytes


def full_bytes(total_bytes: int) -> int:
    """Return with how little room a home of this size is full."""
    return min(total_bytes // _SHARE, _FULL_BYTES)


def apply_reserve(system: System, device: Path, real: str) -> None:
    """Give or take the reserve of a home that is not mounted yet, and note if it is full.

    Never fails: a home with the wrong reserve is still a home.

    Args:
        device: of the home, below the system's root.
        real: the same for programs.
    """
    try:
        with device.open("rb", buffering=0) as stream:
            stream.seek(SUPERBLOCK_OFFSET)
            space = read_space(stream.read(SUPERBLOCK_BYTES))
        mark = _mark(system)
        if is_full(space):
            ensure_file(mark, "")
        else:
            mark.unlink(missing_ok=True)
        wanted = choose_reserve(space)
        if wanted != space.reserved:
            system.run("tune2fs", "-r", str(wanted), real)
    except Ext4Error:
        return  # nothing that could be full
    except (AgentError, OSError) as error:
        system.log(f"the reserve of {real} stays as it is: {error}")


def was_full(system: System) -> bool:
    """Return whether this start found the home full."""
    return _mark(system).exists()


def _mark(system: System) -> Path:
    return system.root / RUN / "home-full"
