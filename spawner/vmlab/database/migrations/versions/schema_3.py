"""What a receipt says beside what was kept, and the languages that users chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Bring schema 2 to schema 3."""
    op.add_column("receipt", sa.Column("obstacles", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("receipt", sa.Column("refused", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "language",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("language", sa.String(10), nullable=False),
    )
