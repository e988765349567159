"""In which order a lab's machines start: `after` in their sections of lab.toml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from vmlab.lab.toml_errors import Table, did_you_mean, show

DESK: Final = "desk"
SERVER: Final = "server"
TAKEN: Final = frozenset({DESK, SERVER, "home", "event", "spare", "localhost"})
"""What no node may be called: names of machines, volumes and networks begin so."""


@dataclass(frozen=True)
class Section:
    """A section that describes one machine, or several that are alike."""

    table: Table
    name: str  # what others call all of them
    machines: tuple[str, ...]  # their own names
    after: tuple[str, ...] = ()  # as written: names of sections and of machines


def settle_order(sections: Sequence[Section]) -> dict[str, tuple[str, ...]]:
    """Return for each machine those that must be ready before it starts; note each mistake.

    What is returned has no cycle and only known names, whatever the file says.
    """
    _check_names(sections)
    meant = {section.name: section.machines for section in sections}
    meant |= {name: (name,) for section in sections for name in section.machines}
    after: dict[str, tuple[str, ...]] = {}
    for section in sections:
        waits = _resolve(section, meant)
        for name in section.machines:
            after.setdefault(name, waits)
    return after if _is_possible(after, sections) else dict.fromkeys(after, ())


def _check_names(sections: Sequence[Section]) -> None:
    counts = Counter(name for section in sections for name in section.machines)
    for section in sections:
        if section.table.path[:1] != ("node",):
            continue
        for name in section.machines:
            if name in TAKEN:
                section.table.mistake("name", f"{show(name)} is what something else is called")
            elif counts[name] > 1:
                section.table.mistake(
                    "name",
                    f"{counts[name]} machines would be called {show(name)}; give each section a "
                    "name of its own",
                )


def _resolve(section: Section, meant: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the machines that a section waits for."""
    found: dict[str, None] = {}
    for number, name in enumerate(section.after):
        if name in meant:
            found |= dict.fromkeys(meant[name])
            continue
        path = (*section.table.path, "after", number)
        message = f"there is no machine {show(name)}{did_you_mean(name, meant)}"
        section.table.file.mistake(path, message)
    return tuple(found)


def _is_possible(after: Mapping[str, tuple[str, ...]], sections: Sequence[Section]) -> bool:
    """Tell whether some order exists; note the first cycle where none does."""
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        cycle = [str(name) for name in error.args[1]]
        section = next(section for section in sections if cycle[-1] in section.machines)
        waits = " waits for ".join(reversed(cycle))
        section.table.mistake("after", f"no machine could start first: {waits}")
        return False
    return True
