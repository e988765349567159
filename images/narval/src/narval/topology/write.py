"""Writing a topology, in NARVAL's present dialect."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from narval.topology.model import Actor, Role, Topology
from narval.topology.numerals import format_ada_integer


def format_topology(topology: Topology) -> str:
    """Return the text of a file that reads as this topology."""
    lines = ["<configuration>"]
    for actor in topology.actors:
        lines += [f"  {line}" for line in _actor_lines(actor)]
    return "\n".join([*lines, "</configuration>", ""])


def _actor_lines(actor: Actor) -> Iterator[str]:
    counts = ""
    if actor.role in {Role.INTERMEDIARY, Role.CONSUMER}:
        counts += f' input_buffers="{len(actor.sources)}"'
    if actor.role in {Role.INTERMEDIARY, Role.PRODUCER}:
        counts += f' output_buffers="{len(actor.outputs)}"'
    yield f"<{actor.role}{counts}>"
    yield f"  <name>{escape(actor.name)}</name>"
    yield f"  <hostname>{escape(actor.hostname)}</hostname>"
    yield f"  <binary_code>{escape(actor.binary_code)}</binary_code>"
    for source in actor.sources:
        attributes = f" source_port={quoteattr(source.port)}" if source.port else ""
        attributes += f" source_buffer={quoteattr(source.buffer)}" if source.buffer else ""
        yield f"  <data_source{attributes}>{escape(source.actor)}</data_source>"
    for output in actor.outputs:
        name = quoteattr(output.name)
        yield f"  <output_buffer_name>{escape(output.name)}</output_buffer_name>"
        yield f"  <size output_buffer={name}>{format_ada_integer(output.size_bytes)}</size>"
        yield f"  <port output_buffer={name}>{escape(output.port)}</port>"
    yield f"  <log_level>{actor.log_level}</log_level>"
    for argument in actor.arguments:
        yield f"  <argument>{escape(argument)}</argument>"
    yield f"</{actor.role}>"
