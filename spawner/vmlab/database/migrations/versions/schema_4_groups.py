"""The numbers of trainees, from which addresses in an event's network follow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Bring schema 3 to schema 4."""
    op.create_table(
        "trainee_number",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.UniqueConstraint("number"),
    )
