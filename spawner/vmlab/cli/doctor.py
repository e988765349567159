"""`vmlab doctor`: what this host can do for the lab, and what to do where it cannot."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

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
    Finding,
    Level,
    accelerator_finding,
    address_finding,
    certificate_findings,
    descriptors_finding,
    limits_finding,
    room_finding,
    userns_finding,
)
from vmlab.cli.jobs import jobs_finding
from vmlab.cli.outside import outside_findings
from vmlab.cli.seats import Seats, count_seats, measured_finding, seats_findings, summary
from vmlab.errors import LabError
from vmlab.hub.certificates import lab_faults
from vmlab.hub.descriptors import read_limit
from vmlab.hub.lock import running_holder
from vmlab.hub.proxy import proxy_command
from vmlab.images.store import ImageStore
from vmlab.lab.lab import Lab, ProviderName
from vmlab.paths import Paths, default_paths
from vmlab.providers.qemu.process.accelerator import choose_accelerator, qemu_version
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.confine import detect_confinement
from vmlab.providers.qemu.warm.template import Measured, list_templates
from vmlab.providers.settings import pool_size
from vmlab.system.disk_space import find_free_space
from vmlab.system.environment import program_path, tool_environment
from vmlab.system.host import find_host_facts, find_port_state, find_userns_problem
from vmlab.system.job_states import read_jobs

_SIGNS = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.FAIL: ("✗", "red")}
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "setpriv": "util-linux",
    "socat": "socat",
}
_INTERNET_PROGRAMS = {"slirp4netns": "slirp4netns", "tc": "iproute2", "nsenter": "util-linux"}


def doctor(lab: LabOption = None, json: JsonOption = False) -> None:
    """Show what this host can do for the lab. Exit status 1 if something must be repaired."""
    paths = default_paths()
    try:
        read = read_lab(lab)
    except LabError as e:
        findings = [Finding("lab", Level.FAIL, e.message, e.hint)]
        seats = None
    else:
        findings, accelerator = asyncio.run(_examine(read, paths))
        seated, seats = asyncio.run(_examine_seats(read, paths, accelerator))
        findings += seated
    if json:
        fit = seats.as_json() if seats else None
        print_json({"findings": [asdict(f) for f in findings], "seats": fit})
    else:
        print_table(_table(findings))
        if seats:
            out().print(f"\n{summary(seats)}")
    if any(f.level is Level.FAIL for f in findings):
        raise typer.Exit(1)


async def _examine(lab: Lab, paths: Paths) -> tuple[list[Finding], str]:
    """Return all findings but those on seats, and the accelerator's name."""
    findings = [Finding("lab", Level.OK, f"{lab.file}: {lab.name}")]
    accelerator = ""
    if lab.provider.name is ProviderName.QEMU:
        findings.append(await _ask("qemu", qemu_version))
        try:
            verdict = await choose_accelerator(lab.provider.accelerator.value, paths.cache)
            accelerator = verdict.name.value
            findings.append(accelerator_finding(accelerator, verdict.reason))
        except LabError as e:
            findings.append(Finding("accelerator", Level.FAIL, e.message, e.hint))
        findings.append(userns_finding(find_userns_problem(), is_root=os.geteuid() == 0))
        findings.append(limits_finding(detect_confinement()))
        findings.append(_image(lab, paths))
        findings.append(_programs(lab))
    findings += [await _ask("proxy", _proxy), _port(lab, paths), address_finding(lab)]
    findings += [*_certificate(lab), *await outside_findings(lab, paths)]
    findings.append(_descriptors(lab, paths))
    findings += _jobs(paths)
    findings.append(room_finding(find_free_space(paths.volumes)))
    return findings, accelerator


async def _examine_seats(lab: Lab, paths: Paths, accelerator: str) -> tuple[list[Finding], Seats]:
    facts = find_host_facts(paths.state, paths.cache)
    memory = await Memory(paths.cache / "promises").facts()
    ours = {str(paths.machines), str(paths.pool)}
    running = sum(str(Path(machine.folder).parent) in ours for machine in memory.machines)
    findings, measured = [], None
    if lab.provider.name is ProviderName.QEMU:
        measured = _find_measured(lab, paths, accelerator)
        findings.append(measured_finding(lab.machine.image, measured))
    images = [image for image in ImageStore(paths.images).list() if image.name == lab.machine.image]
    seats = count_seats(
        facts,
        memory,
        lab,
        accelerator,
        running=running,
        measured=measured,
        system_mib=max((image.disk_size_mib for image in images), default=0),
    )
    return [*findings, *seats_findings(facts, memory, seats, lab)], seats


def _find_measured(lab: Lab, paths: Paths, accelerator: str) -> Measured | None:
    """Return what a machine of this size was measured to take last, of whatever image version."""
    wanted = (lab.machine.image, lab.machine.memory_mib, lab.machine.cpus, accelerator)
    found = [
        template
        for template in list_templates(paths.templates)
        if template.measured
        and wanted
        == (
            template.kind.image,
            template.kind.memory_mib,
            template.kind.cpus,
            template.kind.accelerator,
        )
    ]
    return max(found, key=lambda template: template.parked_at).measured if found else None


async def _ask(what: str, question: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, Level.OK, await question())
    except LabError as e:
        return Finding(what, Level.FAIL, e.message, e.hint)


async def _proxy() -> str:
    node = proxy_command(find_project())[0]
    process = await asyncio.create_subprocess_exec(
        node, "--version", env=tool_environment(), stdout=asyncio.subprocess.PIPE
    )
    version, _ = await process.communicate()
    return f"configurable-http-proxy on Node.js {version.decode(errors='replace').strip()}"


def _image(lab: Lab, paths: Paths) -> Finding:
    store = ImageStore(paths.images)
    name = lab.machine.image
    try:
        image = store.find(name)
        store.verify(image)
    except LabError as e:
        return Finding("image", Level.WARN, e.message, e.hint or f"vmlab image build {name}")
    return Finding("image", Level.OK, f"{name} {image.version}, {image.size_bytes >> 20} MiB")


def _programs(lab: Lab) -> Finding:
    wanted = _PROGRAMS | (_INTERNET_PROGRAMS if lab.machine.internet else {})
    path = program_path()
    missing = [program for program in wanted if shutil.which(program, path=path) is None]
    if not missing:
        return Finding("programs", Level.OK, f"all {len(wanted)} that VMLab calls")
    packages = " ".join(sorted({wanted[program] for program in missing}))
    return Finding(
        "programs", Level.FAIL, f"missing: {', '.join(missing)}", f"apt-get install {packages}"
    )


def _port(lab: Lab, paths: Paths) -> Finding:
    try:
        holder = running_holder(paths)
    except LabError as e:
        return Finding("port", Level.FAIL, e.message, e.hint)
    if holder:
        return Finding("port", Level.OK, f"our hub runs at {holder.url} (pid {holder.hub_pid})")
    for port in lab.hub.ports:
        state = find_port_state(lab.hub.address, port)
        if state.problem:
            advice = f"stop that program, or change [hub] address and port in {lab.file}"
            return Finding("port", Level.FAIL, state.problem, advice)
    ports = " and ".join(map(str, lab.hub.ports))
    free = "is free" if len(lab.hub.ports) == 1 else "are free"
    return Finding("port", Level.OK, f"{ports} on {lab.hub.address} {free}")


def _certificate(lab: Lab) -> list[Finding]:
    try:
        found = lab_faults(lab)
    except LabError as e:
        return [Finding("certificate", Level.FAIL, e.message, e.hint)]
    return certificate_findings(*found) if found else []


def _descriptors(lab: Lab, paths: Paths) -> Finding:
    machines = len(lab.accounts.trainees) + pool_size(lab)
    try:
        holder = running_holder(paths)
        if holder:
            return descriptors_finding(read_limit(holder.hub_pid), machines, "the hub that runs")
    except (LabError, OSError):
        pass  # the finding on the port says what is wrong; or the hub ended just now
    return descriptors_finding(read_limit(os.getpid()), machines, "a hub started from here")


def _jobs(paths: Paths) -> list[Finding]:
    """Return how the jobs of a hub that runs do."""
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
