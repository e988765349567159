"""What the handlers share: one database, one course store, one provider, one limiter a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from tornado import web

from vmlab.courses import CourseStore
from vmlab.database import CourseStep, Database, Receipt, StepResult, open_database
from vmlab.groups.listing import GroupMachine, list_all_machines
from vmlab.groups.rules import GroupRules
from vmlab.hub.access import NOWHERE, HubAccess
from vmlab.hub.client import HubClient
from vmlab.model import MachineStatus, NetworkStatus
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.base import KeepsNetworks, Provider, ReportsActivity
from vmlab.providers.settings import ProviderSettings
from vmlab.ssh.control import JumpControl
from vmlab.ssh.keys import KeyBook
from vmlab.ssh.limits import MAX_CONNECTIONS
from vmlab.upkeep.renewal import Renewals
from vmlab.volumes.store import VolumeStore, store_of
from vmlab.web.api.identity import ServerIdentity
from vmlab.web.api.limits import AtOnce, RateLimiter
from vmlab.web.board import Cached, Person
from vmlab_protocol.messages import Activity

BOARD_MAX_AGE_S = 1.0
"""So old may an answer be that several open boards share."""

MAX_WAITS = 4
"""Long polls and archives that one server may have under way; a restarting agent needs fewer."""

MAX_DOWNLOADS = 1
"""Disk images that one person may download at a time: each takes up space on the host's disk."""


@dataclass(frozen=True)
class ApiSettings:
    """Everything that makes two sets of handlers the same; can be deep-copied by traitlets."""

    provider: ProviderSettings
    language: str
    database: str = ""  # URL; empty for the SQLite file in the state folder
    hub: HubAccess = NOWHERE  # the hub's own API, for starts and stops
    groups: GroupRules = GroupRules()  # noqa: RUF009 - frozen

    @property
    def paths(self) -> Paths:
        """The folders on the host."""
        return Paths(state=self.provider.state, cache=self.provider.cache)


class Runtime:
    """Shared objects of all handlers."""

    def __init__(self, settings: ApiSettings) -> None:
        paths = settings.paths
        self.rules = settings.groups
        self._file = paths.database
        self.database: Database = open_database(settings.database or paths.database)
        self.course_store = CourseStore(self.database, paths.courses)
        self.provider: Provider = make_provider(settings.provider)
        self.renewals = Renewals(HubClient(settings.hub), self.provider)
        self.jump = JumpControl(paths.ssh_socket)
        self.key_book = KeyBook(self.database, self.provider, self.rules, paths)
        self.reports = RateLimiter()
        self.statuses: Cached[Mapping[str, MachineStatus]] = Cached(
            self.provider.status, max_age_s=BOARD_MAX_AGE_S
        )
        self.networks: Cached[tuple[NetworkStatus, ...]] = Cached(
            self._ask_networks, max_age_s=BOARD_MAX_AGE_S
        )
        self.done_steps: Cached[tuple[CourseStep, ...]] = Cached(
            self._read_done_steps, max_age_s=BOARD_MAX_AGE_S
        )
        self.clock: Callable[[], float] = time.time
        self._people: tuple[float, tuple[Person, ...]] | None = None
        self._course_facts: dict[str, Cached[CourseFacts]] = {}
        self.ssh_sockets = AtOnce(MAX_CONNECTIONS)
        self._waits = AtOnce(MAX_WAITS)
        self._downloads = AtOnce(MAX_DOWNLOADS)

    def people(self, read: Callable[[], tuple[Person, ...]]) -> tuple[Person, ...]:
        """Return the hub's users, read at most once a second."""
        now = time.monotonic()
        if self._people is None or now - self._people[0] > BOARD_MAX_AGE_S:
            self._people = (now, read())
        return self._people[1]

    async def course_facts(self, course: str) -> CourseFacts:
        """Return results and receipts of a published course, read at most once a second."""
        if course not in self._course_facts:

            async def ask() -> CourseFacts:
                return await asyncio.to_thread(self._read_course_facts, course)

            self._course_facts[course] = Cached(ask, max_age_s=BOARD_MAX_AGE_S)
        return await self._course_facts[course].get()

    def _read_course_facts(self, course: str) -> CourseFacts:
        return CourseFacts(
            tuple(self.database.progress.of_course(course)),
            tuple(self.database.courses.receipts(course)),
        )

    async def activity(self, machines: Iterable[str]) -> Mapping[str, Activity]:
        """Return what the agents of running machines say; those that do not answer are left out."""
        if not isinstance(self.provider, ReportsActivity):
            return {}
        return await self.provider.activity(machines)

    async def groups(self, desks: Mapping[str, str]) -> Mapping[str, tuple[GroupMachine, ...]]:
        """Return the machines of trainees, by trainee.

        Args:
            desks: by trainee, the machine that the hub keeps for their server.

        Raises:
            LabError: database or provider cannot be asked.
        """
        return await list_all_machines(self.provider, self.rules, self._file, desks)

    async def _ask_networks(self) -> tuple[NetworkStatus, ...]:
        if not isinstance(self.provider, KeepsNetworks):
            return ()
        return tuple(await self.provider.networks())

    async def _read_done_steps(self) -> tuple[CourseStep, ...]:
        return tuple(await asyncio.to_thread(self.database.progress.of_all))

    @contextmanager
    def waiting(self, server: ServerIdentity) -> Iterator[None]:
        """Count a long answer to this server while it lasts.

        Raises:
            HTTPError: 429, it has too many open.
        """
        with self._waits.counted(server) as may:
            if not may:
                raise web.HTTPError(429, f"at most {MAX_WAITS} waiting requests for each server")
            yield

    @contextmanager
    def downloading(self, user: str) -> Iterator[None]:
        """Count a disk image of this person, from the start of its copy until it is sent.

        Raises:
            HTTPError: 429, there is one already.
        """
        with self._downloads.counted(user) as may:
            if not may:
                raise web.HTTPError(
                    429,
                    "You are already downloading your disk. Wait until that download has finished.",
                )
            yield


@dataclass(frozen=True)
class CourseFacts:
    """What the database knows of trainees and one course."""

    results: tuple[StepResult, ...]
    receipts: tuple[Receipt, ...]


@cache
def get_runtime(settings: ApiSettings) -> Runtime:
    """Return the runtime for these settings; one a process.

    Raises:
        HostError: the database cannot be opened.
    """
    return Runtime(settings)


def find_volumes(settings: ApiSettings) -> VolumeStore:
    """Return the lab's volumes: the provider's own store, if it has one.

    Raises:
        HostError: the database cannot be opened.
    """
    return store_of(get_runtime(settings).provider, settings.paths)
