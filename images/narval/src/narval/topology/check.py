"""Whether the actors of a topology fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from narval.topology.model import (
    FIFO,
    Actor,
    DataSource,
    OutputBuffer,
    Role,
    Topology,
    is_loopback,
    is_same_host,
)


def find_mistakes(topology: Topology) -> Iterator[tuple[int, str]]:
    """Yield line and message of everything that does not fit."""
    if not topology.actors:
        yield 1, "there is no actor in it"
    seen: set[str] = set()
    for actor in topology.actors:
        if actor.name in seen:
            yield actor.line, f"there is another actor named {actor.name!r}"
        seen.add(actor.name)
        yield from _role_mistakes(actor)
        for source in actor.sources:
            yield from _source_mistakes(topology, actor, source)
    yield from _cycle(topology)


def find_buffer(topology: Topology, source: DataSource) -> OutputBuffer | None:
    """Return the buffer that a source names, or the only one of its actor; None: there is none."""
    try:
        outputs = topology.actor(source.actor).outputs
    except KeyError:
        return None
    named = [output for output in outputs if source.buffer in {output.name, ""}]
    return named[0] if len(named) == 1 else None


def _role_mistakes(actor: Actor) -> Iterator[tuple[int, str]]:
    reads = actor.role in {Role.INTERMEDIARY, Role.CONSUMER}
    writes = actor.role in {Role.INTERMEDIARY, Role.PRODUCER}
    for wanted, has, what in (
        (reads, bool(actor.sources), "<data_source>"),
        (writes, bool(actor.outputs), "<output_buffer_name>"),
    ):
        if wanted != has:
            verb = "needs a" if wanted else "has no"
            yield actor.line, f"{actor.name!r}: a {actor.role} {verb} {what}"


def _source_mistakes(
    topology: Topology, actor: Actor, source: DataSource
) -> Iterator[tuple[int, str]]:
    try:
        other = topology.actor(source.actor)
    except KeyError:
        yield source.line, f"{actor.name!r} reads from {source.actor!r}, which is not an actor here"
        return
    buffer = find_buffer(topology, source)
    if buffer is None:
        has = ", ".join(output.name for output in other.outputs) or "none"
        wanted = repr(source.buffer) if source.buffer else "a buffer without saying which"
        yield source.line, f"{actor.name!r} reads {wanted} of {other.name!r}, whose buffers: {has}"
        return
    if source.port and source.port != buffer.port:
        reads = f"{actor.name!r} reads {buffer.name!r} through {source.port}"
        yield source.line, f"{reads}, but it is written through {buffer.port}"
    is_one = is_same_host(other.hostname, actor.hostname)
    if is_loopback(other.hostname) and not is_one and buffer.port != FIFO:
        where = f"{actor.name!r} on {actor.hostname} cannot reach {other.name!r}"
        yield source.line, f"{where} on {other.hostname}: write that host's name in its <hostname>"
    if buffer.port == FIFO and not is_one:
        hosts = f"{other.name!r} runs on {other.hostname}, {actor.name!r} on {actor.hostname}"
        yield source.line, f"a fifo does not leave its host: {hosts}"


def _cycle(topology: Topology) -> Iterator[tuple[int, str]]:
    graph = {a.name: {source.actor for source in a.sources} for a in topology.actors}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        line = max(actor.line for actor in topology.actors if actor.name in circle)
        yield line, f"data would go round in a circle: {' → '.join(circle)}"
