"""Who is told first, and who reads what. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from narval.topology.check import find_buffer
from narval.topology.model import Actor, Topology

Ranks = tuple[tuple[str, ...], ...]
"""Names of actors; those of one rank do not wait for each other."""


def from_producers(topology: Topology) -> Ranks:
    """Return the actors by rank: an actor comes after all those that it reads from."""
    graph = {actor.name: {source.actor for source in actor.sources} for actor in topology.actors}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ranks = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        ranks.append(tuple(sorted(ready)))
    return tuple(ranks)


def from_consumers(topology: Topology) -> Ranks:
    """Return the actors by rank: an actor comes after all those that read from it."""
    return from_producers(topology)[::-1]


def readers_of(topology: Topology, actor: Actor) -> dict[str, list[str]]:
    """Return who reads each output buffer of an actor."""
    readers: dict[str, list[str]] = {output.name: [] for output in actor.outputs}
    for reader in topology.actors:
        for source in reader.sources:
            buffer = find_buffer(topology, source)
            if source.actor == actor.name and buffer is not None:
                readers[buffer.name].append(reader.name)
    return readers


def sources_of(topology: Topology, actor: Actor) -> list[dict[str, Any]]:
    """Return an actor's inputs as its orders name them; size and port are the output's."""
    found = []
    for source in actor.sources:
        buffer = find_buffer(topology, source)
        assert buffer is not None, "the topology was checked"  # noqa: S101
        found.append(
            {
                "actor": source.actor,
                "buffer": buffer.name,
                "port": buffer.port,
                "size_bytes": buffer.size_bytes,
            }
        )
    return found


def inputs_of(
    topology: Topology, actor: Actor, opened: Mapping[tuple[str, str, str], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what `connect_inputs` is called with.

    Args:
        opened: by writer, buffer and reader: what `open_outputs` answered.
    """
    inputs = []
    for source in sources_of(topology, actor):
        link = opened[source["actor"], source["buffer"], actor.name]
        # Where and how is between writer and reader: whatever else the writer says is handed on.
        at = {key: value for key, value in link.items() if key not in {"buffer", "reader"}}
        inputs.append({**source, "at": at})
    return inputs


def describe_actor(topology: Topology, actor: Actor) -> dict[str, Any]:
    """Return an actor as `configure` tells it about itself."""
    outputs = [
        {"name": each.name, "size_bytes": each.size_bytes, "port": each.port}
        for each in actor.outputs
    ]
    return {
        "name": actor.name,
        "role": actor.role,
        "binary_code": actor.binary_code,
        "hostname": actor.hostname,
        "outputs": outputs,
        "sources": sources_of(topology, actor),
        "arguments": list(actor.arguments),
    }
