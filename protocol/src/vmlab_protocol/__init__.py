"""What the hub and the machines say to each other, and the rules that both keep to.

Installed on both sides, so that no rule exists twice; docs/protocols.md describes it for people.

machine     names and numbers of a machine: ports, disks, the trainee's home
phases      the phases of a start
notices     languages, and what a trainee must be told
seed, seed_reader  what makes a machine itself: written by the host, checked by the agent
messages    lines between host and agent
commands    a command that the host has run in a machine, and how it went
share       the file server of an event: who has which folder on it
courses     names of courses, and the list of those published
paths       which paths a course may hold
archive     how large the archive of a course may be, and reading its headers
receipts    how the delivery of a course went
snapshots   names of snapshots, and the list of a volume's
ext4        what the superblock tells: size, room, whether it was left in order
outside     reading JSON that others wrote
atomic      files that are never seen half written
errors      what is raised about what the other side sent

Nothing is imported here: the agent imports what it needs before its first word.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
"""Of all that VMLab installs on either side."""
