"""What alembic runs: on the connection that `vmlab.database.schema` gives, or as SQL (`--sql`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from vmlab.database.tables import MetaRow, RevisionRow


def run() -> None:
    """Run the steps, and tell VMLabs from before alembic which schema it is now."""
    table = RevisionRow.__tablename__
    if context.is_offline_mode():
        dialect = str(context.get_x_argument(as_dictionary=True).get("dialect", "sqlite"))
        context.configure(dialect_name=dialect, literal_binds=True, version_table=table)
    else:
        context.configure(context.config.attributes["connection"], version_table=table)
    schema = str(context.get_revision_argument())
    with context.begin_transaction():
        context.run_migrations()
        context.execute(sa.delete(MetaRow).where(MetaRow.key == "schema"))
        context.execute(sa.insert(MetaRow).values(key="schema", value=schema))


run()
