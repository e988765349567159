"""A provider as those see it who only look at machines; a base for doubles of one test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vmlab.model import Features, MachineState, MachineStatus


class LookedAt:
    """A provider without machines (`vmlab.providers.base.TellsStates`)."""

    features = Features(name="test")

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        return {name: MachineStatus(name, MachineState.ABSENT) for name in names or ()}
