"""`vmlab doctor`: whether this host can run the lab, and what to do if it cannot."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from vmlab.cli.common import (
    JsonOption,
    LabOption,
    find_project,
    make_table,
    out,
    print_json,
    print_table,
    read_lab,
    whole,
)
from vmlab.cli.findings import (
    address_finding,
    certificate_findings,
    descriptors_finding,
    room_finding,
    ssh_finding,
    summary,
)
from vmlab.cli.jobs import jobs_finding
from vmlab.cli.outside import outside_findings
from vmlab.errors import LabError
from vmlab.hub.certificates import lab_faults
from vmlab.hub.descriptors import read_limit
from vmlab.hub.lock import running_holder
from vmlab.hub.proxy import proxy_command
from vmlab.lab.lab import Lab
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import CountsSeats, ExaminesHost, machines_ahead
from vmlab.providers.base import Provider
from vmlab.providers.facts import Finding, Level, Seats
from vmlab.providers.settings import provider_settings
from vmlab.ssh.control import find_socket_problem
from vmlab.ssh.limits import HUB_DESCRIPTORS
from vmlab.ssh.setup import offers_ssh
from vmlab.system.disk_space import find_free_space
from vmlab.system.environment import tool_environment
from vmlab.system.host import find_port_state
from vmlab.system.job_states import read_jobs

_SIGNS = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.FAIL: ("✗", "red")}


def doctor(lab: LabOption = None, json: JsonOption = False) -> None:
    """Show whether this host can run the lab. Exit status 1 if something must be repaired."""
    paths = default_paths()
    try:
        read = read_lab(lab)
    except LabError as e:
        findings = [Finding("lab", Level.FAIL, e.message, e.hint)]
        seats = None
    else:
        findings, seats = asyncio.run(_examine_all(read, paths))
    if json:
        fit = seats.as_json() if seats else None
        print_json({"findings": [asdict(f) for f in findings], "seats": fit})
    else:
        print_table(_table(findings))
        if seats:
            out().print(f"\n{summary(seats)}")
    if any(f.level is Level.FAIL for f in findings):
        raise typer.Exit(1)


async def _examine(lab: Lab, provider: Provider, paths: Paths) -> list[Finding]:
    """Return all findings but those on seats."""
    findings = [Finding("lab", Level.OK, f"{lab.file}: {lab.name}")]
    if isinstance(provider, ExaminesHost):
        findings += await provider.examine(lab)
    findings += [await _examine_proxy(), _port(lab, paths), address_finding(lab)]
    findings += [*_certificate(lab), *await outside_findings(lab, paths)]
    findings += _descriptors(lab, provider, paths)
    findings += _jobs(paths)
    findings.append(room_finding(find_free_space(paths.volumes)))
    return findings


async def _examine_all(lab: Lab, paths: Paths) -> tuple[list[Finding], Seats | None]:
    provider = make_provider(provider_settings(lab, paths))
    findings = await _examine(lab, provider, paths)
    if not isinstance(provider, CountsSeats):
        return findings, None
    seats, seated = await provider.count_seats(lab)
    return [*findings, *seated], seats


async def _examine_proxy() -> Finding:
    try:
        return Finding("proxy", Level.OK, await _proxy())
    except LabError as e:
        return Finding("proxy", Level.FAIL, e.message, e.hint)


async def _proxy() -> str:
    node = proxy_command(find_project())[0]
    process = await asyncio.create_subprocess_exec(
        node, "--version", env=tool_environment(), stdout=asyncio.subprocess.PIPE
    )
    version, _ = await process.communicate()
    return f"configurable-http-proxy on Node.js {version.decode(errors='replace').strip()}"


def _port(lab: Lab, paths: Paths) -> Finding:
    try:
        holder = running_holder(paths)
    except LabError as e:
        return Finding("port", Level.FAIL, e.message, e.hint)
    if holder:
        return Finding("port", Level.OK, f"our hub runs at {holder.url} (pid {holder.hub_pid})")
    for port in lab.ports:
        state = find_port_state(lab.hub.address, port)
        if state.problem:
            advice = f"stop that program, or change [hub] address and port in {lab.file}"
            return Finding("port", Level.FAIL, state.problem, advice)
    ports = " and ".join(map(str, lab.ports))
    free = "is free" if len(lab.ports) == 1 else "are free"
    return Finding("port", Level.OK, f"{ports} on {lab.hub.address} {free}")


def _certificate(lab: Lab) -> list[Finding]:
    try:
        found = lab_faults(lab)
    except LabError as e:
        return [Finding("certificate", Level.FAIL, e.message, e.hint)]
    return certificate_findings(*found) if found else []


def _descriptors(lab: Lab, provider: Provider, paths: Paths) -> list[Finding]:
    """Return whether hub, proxy and jump host may open enough files and connections."""
    machines = len(lab.accounts.trainees) + machines_ahead(provider)
    limit, whose = read_limit(os.getpid()), "a hub started from here"
    try:
        holder = running_holder(paths)
        if holder:
            limit, whose = read_limit(holder.hub_pid), "the hub that runs"
    except (LabError, OSError):
        pass  # the finding on the port says what is wrong; or the hub ended just now
    if not offers_ssh(lab, provider):
        return [descriptors_finding(limit, machines, whose)]
    return [
        descriptors_finding(limit, machines, whose, HUB_DESCRIPTORS),
        ssh_finding(limit, lab.ssh.port, find_socket_problem(paths.ssh_socket)),
    ]


def _jobs(paths: Paths) -> list[Finding]:
    """Return the state of a running hub's jobs."""
    try:
        holder = running_holder(paths)
        if holder is None or not holder.hub_pid:
            return []
        return [jobs_finding(read_jobs(paths.state), time.time(), holder.hub_pid)]
    except LabError as e:
        return [Finding("jobs", Level.WARN, e.message, e.hint)]


def _table(findings: list[Finding]) -> Table:
    table = make_table("level", "what", "found", free=("found",))
    table.show_header = False
    for finding in findings:
        sign, colour = _SIGNS[finding.level]
        label = f"{sign} {finding.level.value}"
        text = whole(finding.found)
        if finding.advice:
            text.append("\n→ ").append(whole(finding.advice))
        table.add_row(Text(label, colour), finding.what, text)
    return table
