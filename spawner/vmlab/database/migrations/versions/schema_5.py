"""Public keys for SSH."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Bring schema 4 to schema 5."""
    op.create_table(
        "ssh_key",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(60), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("added", sa.Float, nullable=False),
        sa.Column("used", sa.Float),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.UniqueConstraint("user", "fingerprint"),
    )
