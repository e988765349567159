"""Who has which folder on an event's file server, and how much. Pure.

What is made here goes to the server (`ServesFiles.serve_files`) and into the seeds of machines
(`vmlab.seed.Seed.share`). Whoever changes the roster counts its serial up and keeps it: a server
never goes back to a lower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from vmlab.errors import ConfigError
from vmlab.names import folder_name
from vmlab_protocol.share import MAX_ADDRESSES, MAX_SHARERS, Roster, Share, Sharer

# The rest is the file system's own: inodes, of which mke2fs makes more where there is little room,
# and the journal, which is small only in comparison with a large volume.
_FOR_FILES_PERCENT, _FOR_FILES_OF_SMALL_PERCENT = 92, 84
_SMALL_MIB = 1024
_SHARED_PERCENT = 25  # of what is for files
_LEAST_MIB = 16  # of a person's quota, and of what is shared


@dataclass(frozen=True)
class Person:
    """Somebody who has a folder on the file server."""

    user: str
    addresses: tuple[IPv4Address, ...] = ()  # of all machines of theirs that mount it
    is_trainer: bool = False


@dataclass(frozen=True)
class Room:
    """How the volume is shared out."""

    own_mib: int  # of each person
    shared_mib: int


def share_out(volume_mib: int, people: int, own_mib: int = 0) -> Room:
    """Return how much everybody gets, so that the sum fits: nobody can fill another one's part.

    Args:
        volume_mib: size of the server's volume.
        people: how many have a folder.
        own_mib: what each shall have; 0: a quarter is shared, and the rest divided evenly.

    Raises:
        ConfigError: the volume is too small for that.
    """
    for_files = _find_room(volume_mib)
    shared = for_files * _SHARED_PERCENT // 100
    each = own_mib or (for_files - shared) // max(people, 1)
    if own_mib:
        shared = for_files - people * own_mib
    if each < _LEAST_MIB or shared < _LEAST_MIB:
        wanted = max(own_mib, _LEAST_MIB) * people
        least = wanted + _LEAST_MIB
        if not own_mib:
            by_people = wanted * 100 // (100 - _SHARED_PERCENT)
            least = max(by_people, _LEAST_MIB * 100 // _SHARED_PERCENT)
        raise ConfigError(
            f"the file server's volume of {volume_mib} MiB is too small for {people} people with "
            f"{max(own_mib, _LEAST_MIB)} MiB each",
            hint=f"it needs about {_find_volume(least + _LEAST_MIB)} MiB",
        )
    return Room(each, shared)


def _find_room(volume_mib: int) -> int:
    """Return how much of a volume is for files."""
    is_small = volume_mib < _SMALL_MIB
    return volume_mib * (_FOR_FILES_OF_SMALL_PERCENT if is_small else _FOR_FILES_PERCENT) // 100


def _find_volume(room_mib: int) -> int:
    """Return how large a volume is that has this room."""
    small = room_mib * 100 // _FOR_FILES_OF_SMALL_PERCENT + 1
    return small if small < _SMALL_MIB else max(_SMALL_MIB, room_mib * 100 // _FOR_FILES_PERCENT)


def make_roster(
    people: Sequence[Person], readers: IPv4Network, room: Room, *, serial: int
) -> Roster:
    """Return what the file server is told.

    Args:
        people: everybody of the event, whether their machines run or not.
        readers: the event's network.
        room: from `share_out`.
        serial: higher than that of every earlier roster of this event.

    Raises:
        ConfigError: there are more people, or more machines of one person, than a server takes.
    """
    if len(people) > MAX_SHARERS:
        raise ConfigError(f"{len(people)} people on one file server; at most {MAX_SHARERS}")
    for person in people:
        if len(person.addresses) > MAX_ADDRESSES:
            raise ConfigError(
                f"{person.user} has {len(person.addresses)} machines; "
                f"at most {MAX_ADDRESSES} of one person use a file server"
            )
    ordered = sorted(people, key=lambda person: person.user)
    return Roster(
        serial=serial,
        readers=readers,
        shared_quota_mib=room.shared_mib,
        sharers=tuple(
            Sharer(folder_name(p.user), p.addresses, room.own_mib, p.is_trainer) for p in ordered
        ),
    )


def make_share(person: Person, server: IPv4Address) -> Share:
    """Return what the seed of this person's machines says of the file server."""
    return Share(server, folder_name(person.user), person.is_trainer)
