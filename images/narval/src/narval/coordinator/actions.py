"""What each action does to the actors of a sub-system."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from narval.actors.losses import describe_losses
from narval.actors.refusals import find_refusals
from narval.config import Address
from narval.control.peer import connect
from narval.coordinator.crew import Crew
from narval.coordinator.settings import Settings
from narval.errors import NarvalError
from narval.runs import RunRecord, begin_run, end_run
from narval.states import Action
from narval.topology.model import Topology
from narval.topology.read import read_topology
from narval.topology.write import format_topology

logger = logging.getLogger(__name__)

MakeCrew = Callable[[Topology, Path], Awaitable[Crew]]


class Actions:
    """The actions of one sub-system, without the question whether they are allowed.

    Attributes:
        file: the topology's; set before `configure`.
        crew: the actors; None before `configure`.
        run: the run that is under way.
        last_run_number: of the run that was begun last here; None before the first.
        next_run_number: of the run to come; None: one more than the highest.
    """

    def __init__(self, settings: Settings, make_crew: MakeCrew) -> None:
        self.file: Path | None = None
        self.crew: Crew | None = None
        self.run: RunRecord | None = None
        self.last_run_number: int | None = None
        self.next_run_number: int | None = None
        self._settings = settings
        self._make_crew = make_crew
        self._steps: Mapping[Action, Callable[[], Awaitable[None]]] = {
            Action.CONFIGURE: self._configure,
            Action.LOAD: self._load,
            Action.INITIALISE: lambda: self.actors.order(self.actors.readers_first, "initialise"),
            Action.START: self._start,
            Action.STOP: self._stop,
            Action.PAUSE: lambda: self.actors.order(self.actors.writers_first, "pause"),
            Action.RESUME: lambda: self.actors.order(self.actors.readers_first, "resume"),
            Action.RESET_COM: self._reset,
            Action.UNLOAD: lambda: self.actors.order(self.actors.readers_first, "unload"),
            Action.UNCONFIGURE: self.dismiss,
            Action.FINISH: self.dismiss,
        }

    @property
    def actors(self) -> Crew:
        """The actors.

        Raises:
            NarvalError: there are none before `configure`.
        """
        if self.crew is None:
            raise NarvalError("there are no actors yet: set action configure comes first")
        return self.crew

    async def do(self, action: Action) -> None:
        """Do it.

        Raises:
            NarvalError: it failed; says where.
        """
        await self._steps[action]()

    async def dismiss(self) -> None:
        """End the run and all actors. Again: no change."""
        await self._give_up_run()
        if self.crew is not None:
            await self.crew.finish()
            self.crew = None

    async def _configure(self) -> None:
        if self.file is None:
            name = self._settings.sub_system
            raise NarvalError(f"no topology yet: set configuration_file FILE {name}")
        try:
            read = functools.partial(read_topology, self.file, rules=[find_refusals])
            topology = await asyncio.to_thread(read)
        except OSError as error:
            raise NarvalError(f"{self.file}: {error.strerror}") from error
        self.crew = await self._make_crew(topology, self.file.parent)
        try:
            await self.crew.launch(actor.name for actor in topology.actors)
        except BaseException:
            await self.dismiss()
            raise

    async def _load(self) -> None:
        await self.actors.load()

    async def _start(self) -> None:
        text = format_topology(self.actors.topology)
        where = (self._settings.folder, self._settings.sub_system)
        self.run = begin_run(*where, text, self.next_run_number)
        self.last_run_number, self.next_run_number = self.run.number, None
        await self._tell_log(self.run.folder)
        logger.info("run %d begins", self.run.number)
        ranks = self.actors.readers_first
        await self.actors.order(ranks, "start", run_number=self.run.number)

    async def _stop(self) -> None:
        await self.actors.stop_producers_first()
        await self._end_run(failed=False)

    async def _reset(self) -> None:
        await self._give_up_run()
        await self.actors.reset()
        await self.actors.load()

    async def _give_up_run(self) -> None:
        """End a run that did not end by `stop`; where that cannot be noted, go on."""
        if self.run is None:
            return
        if self.crew is not None:
            await self.crew.stop_leniently()
        try:
            await self._end_run(failed=True)
        except NarvalError as error:
            logger.warning("%s", error)

    async def _end_run(self, *, failed: bool) -> None:
        if self.run is None:
            return
        run, self.run = self.run, None
        lost = self.crew.lost() if self.crew is not None else {}
        total = sum(sum(counts.values()) for counts in lost.values())
        record = end_run(run.folder, failed=failed, lost_frames=total)
        for actor, counts in lost.items():
            logger.warning("run %d: %s: %s", run.number, actor, describe_losses(counts))
        logger.info("run %d has ended%s", run.number, "" if record.complete else ", incomplete")
        await self._tell_log(None)

    async def _tell_log(self, folder: Path | None) -> None:
        """Have the central log keep our lines with the run; without it they are not kept there."""
        at: Address | None = self.actors.log
        if at is None:
            return
        try:
            peer = await connect(at.host, at.port, self._settings.secret, {"hello": "client"})
            try:
                where = None if folder is None else str(folder)
                await peer.call("run", sub_system=self._settings.sub_system, folder=where)
            finally:
                peer.close()
        except NarvalError as error:
            logger.warning("the central log does not keep this run's lines: %s", error)
