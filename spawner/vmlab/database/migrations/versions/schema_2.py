"""Volumes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Bring schema 1 to schema 2."""
    op.create_table(
        "volume",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("size_mib", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("held_since", sa.Float, nullable=False),
        sa.Column("quarantined_at", sa.Float),
        sa.Column("purge_after", sa.Float),
        sa.Column("needs_grow", sa.Boolean, nullable=False),
    )
    op.create_index("volume_holder", "volume", ["holder"])
