"""Which snapshots of a volume are kept. Pure.

| snapshot | kept |
| --- | --- |
| hourly | the newest of each of the last 24 hours in which there is one, and of each of the last 14 such days (UTC). Hours and days without work do not count, so that who works on Mondays only can go back many Mondays |
| manual | until a person deletes it; one volume has 10 at most |
| kept | 14 days, as long as a deleted volume: whatever a restore replaced can be restored |
| before | one day: it is only left over when the operation that needed it was killed |
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from vmlab.volumes.model import QUARANTINE_DAYS, Snapshot
from vmlab_protocol.snapshots import Reason

HOURS = 24
DAYS = 14
MAX_MANUAL = 10

_DAY_S = 86400.0
_LIFE_S = {Reason.KEPT: QUARANTINE_DAYS * _DAY_S, Reason.BEFORE: _DAY_S}


def choose_superfluous(snapshots: Iterable[Snapshot], now: float) -> list[Snapshot]:
    """Return the snapshots that are to be deleted, oldest first.

    Args:
        snapshots: all of one volume.
        now: seconds since the epoch.
    """
    ordered = sorted(snapshots, key=lambda snapshot: (snapshot.taken, snapshot.id))
    hourly = [snapshot for snapshot in ordered if snapshot.reason is Reason.HOURLY]
    wanted = _newest_of(hourly, lambda at: at.strftime("%Y%m%d%H"), HOURS)
    wanted |= _newest_of(hourly, lambda at: at.strftime("%Y%m%d"), DAYS)
    return [
        snapshot
        for snapshot in ordered
        if (
            snapshot.id not in wanted
            if snapshot.reason is Reason.HOURLY
            else now - snapshot.taken > _LIFE_S.get(snapshot.reason, float("inf"))
        )
    ]


def _newest_of(ordered: list[Snapshot], period: Callable[[datetime], str], count: int) -> set[str]:
    """Return the ids of the newest snapshot in each of the last `count` periods that have one."""
    newest = {period(datetime.fromtimestamp(s.taken, UTC)): s.id for s in ordered}
    return set(list(newest.values())[-count:])
