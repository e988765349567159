"""The tables of VMLab's own database, as typed classes.

Users, servers and tokens stay in the hub's database: here a trainee is the pair of user and server
name, as text. Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 5
"""Raised with every change of the tables below; a step in `migrations` brings older ones there."""


class Base(DeclarativeBase):
    """Base of all tables."""


class MetaRow(Base):
    """Facts about the database itself: its schema, for VMLabs from before `RevisionRow`, too."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class RevisionRow(Base):
    """Which step of `migrations` was the last: alembic's table, under a name that is ours alone.

    JupyterHub has an `alembic_version`; a server's database may hold the tables of both.
    """

    __tablename__ = "vmlab_revision"
    __table_args__ = (PrimaryKeyConstraint("version_num", name="vmlab_revision_pkc"),)

    version_num: Mapped[str] = mapped_column(String(32))


class CourseVersionRow(Base):
    """One published version of a course; never changed afterwards.

    One without a digest says that the course was withdrawn.
    """

    __tablename__ = "course_version"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    title_en: Mapped[str] = mapped_column(String(200))
    title_fr: Mapped[str] = mapped_column(String(200))
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    published: Mapped[float] = mapped_column(Float)


class ReceiptRow(Base):
    """What a machine said when it had taken a version of a course."""

    __tablename__ = "receipt"
    __table_args__ = (UniqueConstraint("user", "server", "course", "version"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user: Mapped[str] = mapped_column(String(255))
    server: Mapped[str] = mapped_column(String(255))
    course: Mapped[str] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Float)
    kept: Mapped[list[str]] = mapped_column(JSON)
    obstacles: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    refused: Mapped[str] = mapped_column(Text, default="")


class StepRow(Base):
    """How far one trainee is with one step."""

    __tablename__ = "step_result"
    __table_args__ = (
        UniqueConstraint("user", "server", "course", "exercise", "step"),
        Index("step_result_course", "course"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user: Mapped[str] = mapped_column(String(255))
    server: Mapped[str] = mapped_column(String(255))
    course: Mapped[str] = mapped_column(String(40))
    exercise: Mapped[str] = mapped_column(String(100))
    step: Mapped[str] = mapped_column(String(40))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    first_passed: Mapped[float | None] = mapped_column(Float, default=None)
    last_at: Mapped[float] = mapped_column(Float)
    last_passed: Mapped[bool] = mapped_column(default=False)


class PhaseRow(Base):
    """How long one phase of one start took; old rows are dropped."""

    __tablename__ = "phase_duration"
    __table_args__ = (Index("phase_duration_key", "key", "phase"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str] = mapped_column(String(200))
    phase: Mapped[str] = mapped_column(String(40))
    seconds: Mapped[float] = mapped_column(Float)


class VolumeRow(Base):
    """One volume; what is in it, its snapshots included, only its file knows."""

    __tablename__ = "volume"
    __table_args__ = (Index("volume_holder", "holder"),)

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    server: Mapped[str] = mapped_column(String(255))
    size_mib: Mapped[int] = mapped_column(Integer)
    created: Mapped[float] = mapped_column(Float)
    holder: Mapped[str] = mapped_column(String(100), default="")
    held_since: Mapped[float] = mapped_column(Float, default=0.0)
    quarantined_at: Mapped[float | None] = mapped_column(Float, default=None)
    purge_after: Mapped[float | None] = mapped_column(Float, default=None)
    needs_grow: Mapped[bool] = mapped_column(default=False)


class LanguageRow(Base):
    """The language that somebody chose; who has no row never did."""

    __tablename__ = "language"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    language: Mapped[str] = mapped_column(String(10))


class NumberRow(Base):
    """The number of a trainee in the event's network; kept as long as nobody else needs it."""

    __tablename__ = "trainee_number"
    __table_args__ = (UniqueConstraint("number"),)

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)


class SshKeyRow(Base):
    """A public key by which somebody may log in with SSH."""

    __tablename__ = "ssh_key"
    __table_args__ = (UniqueConstraint("user", "fingerprint"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(60))
    line: Mapped[str] = mapped_column(Text)
    added: Mapped[float] = mapped_column(Float)
    used: Mapped[float | None] = mapped_column(Float, default=None)
    mark: Mapped[str] = mapped_column(String(64))
