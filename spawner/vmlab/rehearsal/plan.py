"""What is rehearsed: whose machines, as what, and what is made before. Facts only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmlab.groups.facts import Group
from vmlab.groups.rules import GroupRules
from vmlab.rehearsal.description import Description
from vmlab.rehearsal.steps import Work


@dataclass(frozen=True)
class Preparation:
    """Something that is made before machines start."""

    what: str
    work: Work
    is_needed: bool = True  # nothing is started without it


@dataclass(frozen=True)
class Plan:
    """What is rehearsed."""

    lab: str  # its name
    rules: GroupRules
    user: str  # whose group it is
    group: Group
    description: Description
    database: Path  # VMLab's own, in the rehearsal's state folder
    prepare: tuple[Preparation, ...] = ()
    language: str = "en"
