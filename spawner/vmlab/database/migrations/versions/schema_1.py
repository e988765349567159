"""Courses, receipts, steps and phases: the first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables of schema 1."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "course_version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("title_en", sa.String(200), nullable=False),
        sa.Column("title_fr", sa.String(200), nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("published", sa.Float, nullable=False),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("course", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kept", sa.JSON, nullable=False),
        sa.UniqueConstraint("user", "server", "course", "version"),
    )
    op.create_table(
        "step_result",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("course", sa.String(40), nullable=False),
        sa.Column("exercise", sa.String(100), nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_passed", sa.Float),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.Column("last_passed", sa.Boolean, nullable=False),
        sa.UniqueConstraint("user", "server", "course", "exercise", "step"),
    )
    op.create_index("step_result_course", "step_result", ["course"])
    op.create_table(
        "phase_duration",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("phase", sa.String(40), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    op.create_index("phase_duration_key", "phase_duration", ["key", "phase"])
