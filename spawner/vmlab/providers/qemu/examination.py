"""What this host has for QEMU machines, and what to do where it has not: lines of the doctor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Network
from pathlib import Path

from vmlab.errors import LabError
from vmlab.images.store import ImageStore
from vmlab.lab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers.facts import Finding, Level
from vmlab.providers.qemu.network.launching import try_host
from vmlab.providers.qemu.network.port import PortKind
from vmlab.providers.qemu.network.probe import Verdict
from vmlab.providers.qemu.process.accelerator import choose_accelerator, qemu_version
from vmlab.providers.qemu.process.confine import Confinement, detect_confinement
from vmlab.providers.qemu.process.neighbours import find_own
from vmlab.system.environment import program_path
from vmlab.system.host import find_userns_problem

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
_RANGE = "event addresses"
_INTERNET_PROGRAMS = {"slirp4netns": "slirp4netns", "tc": "iproute2", "nsenter": "util-linux"}


async def examine(lab: Lab, accelerator: str, paths: Paths) -> list[Finding]:
    """Return all findings but those on seats.

    Args:
        accelerator: which one is wished for.
    """
    return [
        await _ask("qemu", qemu_version),
        await _examine_accelerator(accelerator, paths.cache),
        userns_finding(find_userns_problem(), is_root=os.geteuid() == 0),
        network_finding(await try_host(), is_root=os.geteuid() == 0),
        *await _examine_range(lab),
        limits_finding(detect_confinement()),
        *(_image(name, paths) for name in lab.images),
        _programs(lab),
    ]


async def _ask(what: str, question: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, Level.OK, await question())
    except LabError as e:
        return Finding(what, Level.FAIL, e.message, e.hint)


async def _examine_accelerator(preference: str, cache: Path) -> Finding:
    try:
        verdict = await choose_accelerator(preference, cache)
    except LabError as e:
        return Finding("accelerator", Level.FAIL, e.message, e.hint)
    return accelerator_finding(verdict.name.value, verdict.reason)


def accelerator_finding(name: str, reason: str) -> Finding:
    """Return what KVM or emulation means."""
    if name == "kvm":
        return Finding("accelerator", Level.OK, reason)
    remedy = (
        "let this user open it: adduser USER kvm, then log in again"
        if "may not be opened" in reason
        else "enable virtualisation in the firmware, or nested virtualisation where this host is a "
        "VM itself"
    )
    slow = "machines work, but whatever they compute takes many times longer"
    return Finding("accelerator", Level.WARN, reason, f"{slow}; {remedy}")


def userns_finding(problem: str, *, is_root: bool) -> Finding:
    """Return whether machines can get network namespaces of their own."""
    if not problem:
        return Finding("namespaces", Level.OK, "each machine gets a network of its own")
    advice = (
        "this host's container forbids it; give it CAP_SYS_ADMIN"
        if is_root
        else "allow them: sysctl kernel.unprivileged_userns_clone=1, or run vmlab as root"
    )
    return Finding("namespaces", Level.FAIL, problem, advice)


def network_finding(verdict: Verdict, *, is_root: bool) -> Finding:
    """Return whether machines of an event can meet, in which way, and what that costs."""
    what = "event network"
    if verdict.problem:
        advice = "labs of one machine each work; for others: apt-get install nftables iproute2"
        if not is_root:
            advice += ", allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run "
            advice += "vmlab as root"
        return Finding(what, Level.WARN, f"machines cannot meet: {verdict.problem}", advice)
    where = "a namespace for each event" if is_root else "a user namespace for each event"
    found = f"machines can meet in {where}, which takes {verdict.memory_mib} MiB"
    if verdict.kind == PortKind.TAP:
        return Finding(what, Level.OK, f"{found}; the kernel carries what they send")
    return Finding(
        what,
        Level.WARN,
        f"{found}; a process carries what they send, because /dev/net/tun cannot be opened: half "
        "as fast, and it takes processor time while they talk",
        "let this user open it: chmod 666 /dev/net/tun, as Debian's own udev does",
    )


async def _examine_range(lab: Lab) -> list[Finding]:
    if lab.network is None:
        return []
    try:
        own = await find_own()
    except LabError as e:
        return [Finding(_RANGE, Level.WARN, e.message, e.hint)]
    return [range_finding(lab.network.addresses, own)]


def range_finding(addresses: IPv4Network, own: Iterable[IPv4Network]) -> Finding:
    """Return whether the event's addresses are also the host's.

    Nothing breaks then: no packet leaves the event's namespace. But whoever reads such an address
    in a machine may take it for the host's.

    Args:
        own: networks that the host is in.
    """
    shared = [str(each) for each in own if each.overlaps(addresses)]
    if not shared:
        return Finding(_RANGE, Level.OK, f"{addresses}, which this host does not use")
    return Finding(
        _RANGE,
        Level.WARN,
        f"{addresses} overlaps {', '.join(shared)}, a network of this host: in machines these "
        "addresses lead to the event's machines, never to the host's network",
        "another range in lab.toml, [network] addresses, if trainees need to tell them apart",
    )


def limits_finding(kind: Confinement) -> Finding:
    """Return how well machines are kept to their share."""
    if kind is Confinement.RLIMITS:
        return Finding(
            "limits",
            Level.WARN,
            "memory by rlimits only; processor time is shared, not limited",
            "run as root on a host with systemd or writable cgroups (cpu, memory and pids)",
        )
    found = f"memory, processor time and number of processes, by {kind.value}"
    return Finding("limits", Level.OK, found)


def _image(name: str, paths: Paths) -> Finding:
    try:
        image = ImageStore(paths.images).find_whole(name)
    except LabError as e:
        return Finding("image", Level.WARN, e.message, e.hint or f"vmlab image build {name}")
    return Finding("image", Level.OK, f"{name} {image.version}, {image.size_bytes >> 20} MiB")


def _programs(lab: Lab) -> Finding:
    wanted = _PROGRAMS | (_INTERNET_PROGRAMS if lab.has_internet else {})
    if lab.has_allow_list:
        wanted |= {"nft": "nftables"}
    path = program_path()
    missing = [program for program in wanted if shutil.which(program, path=path) is None]
    if not missing:
        return Finding("programs", Level.OK, f"all {len(wanted)} that VMLab calls")
    packages = " ".join(sorted({wanted[program] for program in missing}))
    return Finding(
        "programs", Level.FAIL, f"missing: {', '.join(missing)}", f"apt-get install {packages}"
    )
