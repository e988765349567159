"""The hub's job for volumes: hourly snapshots, thinning, purging, and room on the host's disk.

What it should do now is decided from facts alone (`choose_due`); a round does it. A hub that was
down for a week has nothing to catch up on: what is due follows from the snapshots themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from vmlab.errors import LabError
from vmlab.lab.lab import Lab
from vmlab.model import MachineState, Volume, VolumeState
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.base import Provider
from vmlab.providers.settings import provider_settings
from vmlab.system.background import Job, apart, begin
from vmlab.system.disk_space import FreeSpace, find_free_space
from vmlab.volumes import making_room, quarantine, repair, snapshots, states
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.live import LiveVolumes
from vmlab.volumes.model import Snapshot
from vmlab.volumes.store import store_of
from vmlab_protocol.snapshots import Reason

HOUR_S = 3600.0
PERIOD_S = 60.0
SETTLE_S = 300.0
"""Seconds for which a machine is left alone after it was given its volume: it is starting."""

RETRY_S = 600.0
"""After a snapshot that could not be taken."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Held:
    """A volume that a running machine has."""

    volume: Volume
    snapshots: tuple[Snapshot, ...]


@dataclass
class Memory:
    """What one hub remembers between its rounds; it may forget it at any time."""

    failed_at: dict[str, float] = field(default_factory=dict)  # volume → when no snapshot worked
    beyond: set[str] = field(default_factory=set)  # who is beyond the limit, and was reported


def choose_due(held: Iterable[Held], failed_at: Mapping[str, float], now: float) -> list[str]:
    """Return the volumes that are to have a snapshot now, by how long they wait. Pure.

    The clock may have jumped: a snapshot from the future is ignored.
    """
    due = []
    for one in held:
        name = one.volume.name
        newest = max(
            (s.taken for s in one.snapshots if s.reason is Reason.HOURLY and s.taken <= now),
            default=one.volume.created if one.volume.created <= now else 0.0,
        )
        starting = 0 <= now - one.volume.held_since < SETTLE_S
        failed = 0 <= now - failed_at.get(name, float("-inf")) < RETRY_S
        if now - newest >= HOUR_S and not starting and not failed:
            due.append((newest, name))
    return [name for _, name in sorted(due)]


async def look_after(context: VolumeContext, provider: Provider, memory: Memory) -> None:
    """Make one round; what fails for one volume or machine does not affect the others.

    Raises:
        LabError: the registry or the provider cannot be asked; the next round may do it.
    """
    await repair.settle(context)
    await quarantine.purge(context)
    volumes = await context.ask(lambda registry: registry.all())
    present = [volume for volume in volumes if volume.state is not VolumeState.QUARANTINED]
    room = find_free_space(context.folder)
    if room.snapshots_spare_mib < 0:
        room = await _make_room(context, room, present)
    await _resume(provider, room)
    await _keep_within(context, present, memory)
    for name in await _due(context, provider, present, memory):
        if find_free_space(context.folder).snapshots_spare_mib < 0:
            break  # said by _make_room, in the next round at the latest
        with apart(f"{name}: no hourly snapshot") as part:
            taken = await snapshots.take_snapshot(context, name, Reason.HOURLY)
            memory.failed_at.pop(name, None)
            _log.info("%s: snapshot %s", name, taken.id)
        if part.error is not None:
            memory.failed_at[name] = context.clock()
    for volume in present:
        with apart(f"{volume.name}: not thinned"):
            await _thin(context, volume)


async def _due(
    context: VolumeContext, provider: Provider, volumes: list[Volume], memory: Memory
) -> list[str]:
    attached = [volume for volume in volumes if volume.holder]
    # The list of all hides no machine because another one's record is damaged.
    machines = await provider.status()
    held = []
    for volume in attached:
        status = machines.get(volume.holder)
        if status is None or status.state is not MachineState.RUNNING:
            continue
        if not context.path(volume).exists():
            continue  # the fake provider's volumes have no file until one is needed
        with apart(f"{volume.name}: its snapshots could not be listed"):
            held.append(Held(volume, tuple(await states.list_snapshots(context, volume))))
    return choose_due(held, memory.failed_at, context.clock())


async def _thin(context: VolumeContext, volume: Volume) -> None:
    if not context.path(volume).exists():
        return
    for snapshot in await snapshots.thin(context, volume.name):
        _log.info(
            "%s: deleted snapshot %s, which need not be kept any longer", volume.name, snapshot.id
        )


async def _make_room(context: VolumeContext, room: FreeSpace, volumes: list[Volume]) -> FreeSpace:
    _log.warning(
        "%s: %d MiB free: below %d MiB no hourly snapshot is taken, and the oldest ones go",
        context.folder, room.free_mib, 2 * room.reserve_mib,
    )  # fmt: skip
    gone = await making_room.free_hourly(context, volumes)
    room = find_free_space(context.folder)
    if gone:
        _log.warning(
            "deleted %d hourly snapshots to make room (%s …); %d MiB free now",
            len(gone), gone[0], room.free_mib,
        )  # fmt: skip
    return room


async def _keep_within(context: VolumeContext, volumes: list[Volume], memory: Memory) -> None:
    beyond = await making_room.keep_within(context, volumes)
    for owner in sorted(beyond - memory.beyond):
        _log.warning(
            "%s takes more of the disk than allowed, and nothing of it can be removed "
            "automatically: `vmlab volume list` shows how much",
            owner,
        )
    memory.beyond = beyond


async def _resume(provider: Provider, room: FreeSpace) -> None:
    """Resume machines that were paused because the host's disk was full.

    Every machine is asked in every round: a disk may have been full for seconds, between two.
    """
    if room.free_mib <= 0 or not isinstance(provider, LiveVolumes):
        return
    for name, status in (await provider.status()).items():
        if not status.state.is_on:
            continue
        with apart(f"{name}: it is unknown whether it is paused"):
            await _resume_one(provider, name, room)


async def _resume_one(provider: LiveVolumes, name: str, room: FreeSpace) -> None:
    try:
        was_paused = await provider.resume_paused(name)
    except LabError as error:  # usually it is being started or stopped just now
        _log.debug("%s: could not find out whether it is paused: %s", name, error)
        return
    if was_paused:
        _log.warning(
            "%s: was paused because the host's disk was full; resumed with %d MiB free",
            name, room.free_mib,
        )  # fmt: skip


def keep_volumes(lab: Lab, paths: Paths) -> None:
    """Look after volumes as long as this hub runs; no-op where no event loop runs."""
    provider = make_provider(provider_settings(lab, paths))
    make_round = partial(look_after, store_of(provider, paths).context, provider, Memory())
    begin(paths.state, Job("volumes", make_round, PERIOD_S))
