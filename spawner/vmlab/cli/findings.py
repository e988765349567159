"""What `vmlab doctor` concludes from facts. Pure: facts in, findings out."""

from __future__ import annotations

from vmlab.hub.certificates import Fault, Pair
from vmlab.hub.descriptors import descriptors_for
from vmlab.lab.lab import Lab
from vmlab.providers.facts import Finding, Level, Seats
from vmlab.ssh.limits import MAX_OF_USER, Room, find_room
from vmlab.system.disk_space import FreeSpace


def descriptors_finding(limit: int, machines: int, whose: str, ssh: int = 0) -> Finding:
    """Return whether hub and proxy have descriptors for all machines of the lab.

    Args:
        limit: what they may open at most.
        whose: whose limit it is: the running hub's, or that of the user who starts one.
        ssh: how many of them SSH from outside may take.
    """
    wanted = descriptors_for(machines, ssh)
    found = f"{limit} for {whose}; {machines} machines that use all their connections"
    found += f" and all SSH connections need {wanted}" if ssh else f" need {wanted}"
    if limit >= wanted:
        return Finding("descriptors", Level.OK, found)
    advice = (
        "machines share half of them, so some connections may have to wait; raise the hard "
        "limit of open files: `ulimit -Hn`, /etc/security/limits.conf, or `vmlab service install`"
    )
    return Finding("descriptors", Level.WARN, found, advice)


def ssh_finding(limit: int, port: int, problem: str = "") -> Finding:
    """Return how many SSH connections there may be from outside.

    Args:
        limit: how many files the jump host's process may open at most.
        port: of SSH's own; 0: none.
        problem: why there can be none.
    """
    if problem:
        return Finding("ssh", Level.FAIL, problem, "set VMLAB_STATE to a shorter path")
    room, full = find_room(limit), Room()
    way = f"at the hub's address and port {port}" if port else "at the hub's address"
    found = (
        f"{room.connections} connections {way}, {MAX_OF_USER} for each account, with "
        f"{room.channels} sessions with machines; further ones are refused until one ends"
    )
    if room == full:
        return Finding("ssh", Level.OK, found)
    advice = (
        f"{full.connections} need {full.descriptors} open files, and the limit is {limit}: raise "
        "the hard limit (`ulimit -Hn`, /etc/security/limits.conf, or `vmlab service install`)"
    )
    return Finding("ssh", Level.WARN, found, advice)


def room_finding(room: FreeSpace) -> Finding:
    """Return what is free on the host's disk, and what stops when."""
    found = (
        f"{room.free_mib} MiB free where {room.folder} is: {room.reserve_mib} MiB are kept for the "
        f"host, and no hourly snapshots are taken below {2 * room.reserve_mib} MiB"
    )
    advice = "free space, or set VMLAB_STATE to a folder on a larger disk"
    if room.spare_mib < 0:
        return Finding("room", Level.FAIL, f"{found}; no machine can start now", advice)
    if room.snapshots_spare_mib < 0:
        return Finding("room", Level.WARN, f"{found}; the oldest are deleted now", advice)
    return Finding("room", Level.OK, found)


def certificate_findings(pair: Pair, faults: list[Fault]) -> list[Finding]:
    """Return what is wrong with the hub's certificate, or that it is right."""
    if not faults:
        found = f"{pair.certificate}, until {pair.leaf.not_valid_after_utc:%Y-%m-%d}"
        return [Finding("certificate", Level.OK, found)]
    return [
        Finding("certificate", Level.FAIL if f.is_fatal else Level.WARN, f.found, f.advice)
        for f in faults
    ]


def address_finding(lab: Lab) -> Finding:
    """Return who can reach the hub, by what name, and whether passwords travel unencrypted."""
    hub = lab.hub
    if not (hub.has_tls or hub.stays_on_host):
        shared = (
            ", and a trainee's page can act as the person who opens it" if hub.one_origin else ""
        )
        return Finding(
            "address",
            Level.WARN,
            f"{hub.url} has no encryption: others on the network can read passwords{shared}",
            "give the hub a certificate, or put a web server with TLS in front of it "
            "(docs/operator.md)",
        )
    if hub.one_origin:
        return Finding(
            "address",
            Level.WARN,
            f"{hub.url}: hub and machines share one name, so a trainee's page can look like the "
            "login page, log its visitor in as somebody else, and act in the visitor's machine",
            "with DNS records machines can have names of their own: set [hub] url and remove "
            "one_origin",
        )
    if hub.has_tls and not hub.certificate and not hub.front:
        return Finding(
            "address",
            Level.WARN,
            f"{hub.url} is served by a web server in front of the hub, but the hub trusts none of "
            "its headers: all browsers seem to come from one address, without TLS",
            "set [hub] front in lab.toml to its address (docs/operator.md)",
        )
    reach = "by TLS" if hub.has_tls else "from this host only"
    return Finding("address", Level.OK, f"{hub.url}, {reach}; each machine has its own name")


def summary(seats: Seats) -> str:
    """Return the report's last line."""
    idle = "" if seats.idle is None else f", {seats.idle} when they are idle"
    return (
        f"{seats.fit} seats of this lab fit when every trainee fills the machine "
        f"({seats.limited_by} runs out first){idle}; it has {seats.wanted} trainees."
    )
