"""Which schema a database has: a new one gets today's, an older one is upgraded by alembic.

All of it happens in the transaction of the caller, so a process that is killed in the middle leaves
the database as it was. Only an upgrade imports alembic, which takes half a second.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, inspect, select
from sqlalchemy.orm import Session

from vmlab.database.tables import SCHEMA_VERSION, Base, MetaRow, RevisionRow
from vmlab.errors import HostError

MIGRATIONS = Path(__file__).parent / "migrations"
_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}
_NEWEST = str(SCHEMA_VERSION)
_log = logging.getLogger(__name__)


def ensure_schema(connection: Connection) -> None:
    """Bring the database to today's schema, within the transaction of this connection.

    Raises:
        HostError: it has a schema that this VMLab does not know.
    """
    revisions = _read(connection, RevisionRow, select(RevisionRow.version_num))
    schemas = _read(connection, MetaRow, select(MetaRow.value).where(MetaRow.key == "schema"))
    for found in [*revisions, *schemas]:
        if found not in _KNOWN:
            shown = connection.engine.url.render_as_string(hide_password=True)
            raise HostError(
                f"the database {shown} has schema {found}; this VMLab knows schema {_NEWEST}",
                hint="a newer VMLab wrote it: install that version, or set another VMLAB_STATE",
            )
    if not revisions:
        # A VMLab without alembic left only the schema's number; a new database lacks everything.
        tables = [Base.metadata.tables[RevisionRow.__tablename__]] if schemas else None
        Base.metadata.create_all(connection, tables)
        revisions = schemas or [_NEWEST]
        with Session(bind=connection) as session:
            session.add(RevisionRow(version_num=revisions[0]))
            session.merge(MetaRow(key="schema", value=revisions[0]))
            session.flush()
    if revisions != [_NEWEST]:
        _upgrade(connection)
        _log.info("the database was upgraded from schema %s to %s", revisions[0], _NEWEST)


def _read(connection: Connection, row: type[Base], query: Select[Any]) -> list[str]:
    """Return what the query finds; nothing in a database without that table."""
    is_there = inspect(connection).has_table(row.__tablename__)
    return list(connection.scalars(query)) if is_there else []


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - heavy import
    from alembic.config import Config  # noqa: PLC0415

    config = Config(MIGRATIONS / "alembic.ini")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
