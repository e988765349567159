"""The steps from one schema to the next, run by alembic (`vmlab.database.schema`).

env       what alembic runs
versions  the steps

A change of `vmlab.database.tables` raises `SCHEMA_VERSION` and comes with a step in `versions`,
whose revision is that number. Steps name tables and columns themselves, for the tables of today
are not those of then. There is no way back: whoever wants the older VMLab restores the backup.

Beginning a step, and all steps as SQL for another server, from this folder:

    alembic revision --rev-id 4 -m "what it adds"
    alembic -x dialect=postgresql upgrade head --sql
"""
