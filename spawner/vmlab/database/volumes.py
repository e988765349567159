"""The registry of volumes: who owns one, and which machine has it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vmlab import messages
from vmlab.database.engine import Sessions
from vmlab.database.tables import VolumeRow
from vmlab.errors import VolumeConflictError, VolumeNotFoundError
from vmlab.model import Volume


class Volumes:
    """All volumes, the deleted ones in quarantine included."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def all(self) -> list[Volume]:
        """Return every volume, by name."""
        with self._sessions.read() as session:
            return [_volume(row) for row in session.scalars(select(VolumeRow).order_by("name"))]

    def find(self, name: str) -> Volume | None:
        """Return this volume; None if there is none."""
        with self._sessions.read() as session:
            row = session.get(VolumeRow, name)
            return _volume(row) if row else None

    def attached_to(self, machine: str) -> list[Volume]:
        """Return the volumes that a machine has."""
        with self._sessions.read() as session:
            rows = session.scalars(select(VolumeRow).where(VolumeRow.holder == machine))
            return [_volume(row) for row in rows]

    def add(self, volume: Volume) -> Volume:
        """Enter a volume; return the one that is there by now, which may be another's entry."""
        with self._sessions.write() as session:
            row = session.get(VolumeRow, volume.name)
            if row is None:
                row = VolumeRow(**asdict(volume))
                session.add(row)
            return _volume(row)

    def hold(self, name: str, machine: str, now: float, *, owner: str = "") -> Volume:
        """Make a machine the volume's holder; no-op if it is already.

        Args:
            owner: entered where nobody is known to own the volume.

        Raises:
            VolumeNotFoundError: it is not in the registry.
            VolumeConflictError: another machine has it; names that one.
        """
        with self._sessions.write() as session:
            row = _find(session, name)
            if row.holder not in {"", machine}:
                raise held_error(name, row.holder)
            if row.holder != machine:
                row.holder, row.held_since = machine, now
            row.owner = row.owner or owner
            return _volume(row)

    def release(self, machine: str) -> list[str]:
        """Make nobody the holder of what this machine has; return the volumes' names."""
        with self._sessions.write() as session:
            query = select(VolumeRow.name).where(VolumeRow.holder == machine)
            names = list(session.scalars(query.order_by(VolumeRow.name)))
            session.execute(
                update(VolumeRow)
                .where(VolumeRow.holder == machine)
                .values(holder="", held_since=0.0)
            )
            return names

    def change(self, name: str, /, **changes: Any) -> Volume:
        """Change facts of a volume, its name included; return it.

        Raises:
            VolumeNotFoundError: it is not in the registry.
            VolumeConflictError: there is one of the new name.
        """
        with self._sessions.write() as session:
            row = _find(session, name)
            new = changes.get("name", name)
            if new != name and session.get(VolumeRow, new) is not None:
                raise VolumeConflictError(new, "there is already a volume of this name")
            for key, value in changes.items():
                setattr(row, key, value)
            return _volume(row)

    def remove(self, name: str) -> None:
        """Forget a volume; no-op if it is unknown."""
        with self._sessions.write() as session:
            row = session.get(VolumeRow, name)
            if row is not None:
                session.delete(row)


def held_error(name: str, holder: str) -> VolumeConflictError:
    """Return the error for a volume that another machine has."""
    return VolumeConflictError(
        name,
        f"it is attached to {holder}",
        hint=f"stop that machine first, in the browser or by: vmlab machine kill {holder}",
        public=messages.DISK_IN_USE,
    )


def _find(session: Session, name: str) -> VolumeRow:
    row = session.get(VolumeRow, name)
    if row is None:
        raise VolumeNotFoundError(
            name, "there is no such volume", hint="`vmlab volume list` shows all volumes"
        )
    return row


def _volume(row: VolumeRow) -> Volume:
    return Volume(**{field.name: getattr(row, field.name) for field in fields(Volume)})
