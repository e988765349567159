"""What is decided before a machine is launched: one value, made without touching anything.

`plan_launch` is pure. What must be asked of the host at the last moment (the machine's user, which
networks are near) is added by the launch itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vmlab.images.store import Image
from vmlab.model import MachineSpec, StartStyle
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.machine import Machine, TemplateFiles
from vmlab.providers.qemu.process.accelerator import Accelerator, Deadlines
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.argv import (
    PLAIN_KERNEL_ARGS,
    MemoryFile,
    QemuMachine,
    hash_shape,
    make_argv,
)
from vmlab.providers.qemu.process.confine import (
    POOL_TRANSLATION_BUFFER_MIB,
    TRANSLATION_BUFFER_MIB,
    CgroupPlan,
    Confinement,
    Limits,
    Priority,
    machine_limits,
    make_scope_words,
    plan_cgroups,
)


@dataclass(frozen=True)
class Host:
    """What a start depends on beside the machine itself."""

    paths: Paths
    listeners: Path  # folder with the hub's side of the relays, `hub.sock` and `proxy.sock`
    memory: Memory
    accelerator: Accelerator
    qemu: str  # version line
    processor: str
    group: int  # of all machines' users
    style: StartStyle
    deadlines: Deadlines
    confinement: Confinement

    @property
    def clones(self) -> bool:
        """Whether machines are cloned at all."""
        return self.style in {StartStyle.AUTO, StartStyle.CLONE}


@dataclass(frozen=True)
class TemplateKind:
    """What a template must have in common with its clones."""

    image: str
    image_version: str
    memory_mib: int
    cpus: int
    accelerator: str
    qemu: str  # the program's own version line
    processor: str  # the host's
    user: int  # whose QEMU may open the files
    shape: str  # digest of the command line

    @property
    def key(self) -> str:
        """A short name for it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class LaunchPlan:
    """One launch: QEMU's command line, and what the host gives to it."""

    machine: Machine
    qemu: QemuMachine
    argv: tuple[str, ...]
    limits: Limits  # as they are enforced; the memory is what admission promises, too
    confinement: Confinement
    scope: tuple[str, ...]  # words before the shim's command
    cgroups: CgroupPlan
    priority: Priority  # which scope and cgroups begin with
    style: StartStyle  # as in the machine's record
    kind: TemplateKind  # of the template that it could be a clone of
    base: Path  # what its root disk is based on
    devices: Path | None  # state of a template's devices, to be loaded before it runs
    internet: bool
    allowed: tuple[str, ...]  # the only names there; none: all
    bytes_per_s: int  # each way; 0: no limit
    listeners: Path

    @property
    def option_rom(self) -> bool:
        """Whether its network card has the program that boots from the network."""
        return self.style is StartStyle.PLAIN


def plan_launch(
    machine: Machine,
    spec: MachineSpec,
    host: Host,
    image: Image,
    *,
    template: TemplateFiles | None = None,
    park_in: Path | None = None,
    for_pool: bool = False,
) -> LaunchPlan:
    """Return how the machine is launched. Pure.

    Args:
        template: to be cloned; without one the machine boots.
        park_in: the file that gets its memory, of a machine that is to be a template.
        for_pool: it is made ready ahead.
    """
    plain = host.style is StartStyle.PLAIN
    boot = StartStyle.PLAIN if plain else StartStyle.BOOT
    emulated = host.accelerator is Accelerator.TCG  # else nothing is translated
    qemu = replace(
        _describe_machine(spec, host, image, plain=plain),
        memory_file=_memory_file(template, park_in),
        translation_mib=POOL_TRANSLATION_BUFFER_MIB
        if for_pool and emulated
        else TRANSLATION_BUFFER_MIB,
    )
    kind = _kind_of(qemu, host, image)
    argv = tuple(make_argv(qemu))
    limits = machine_limits(qemu.memory_mib, qemu.cpus, qemu.translation_mib)
    priority = Priority.SPARE if for_pool or park_in else Priority.START
    by_systemd = host.confinement is Confinement.SYSTEMD
    return LaunchPlan(
        machine=machine,
        qemu=qemu,
        argv=argv,
        limits=limits,
        confinement=host.confinement,
        scope=tuple(make_scope_words(machine.unit, limits, priority)) if by_systemd else (),
        cgroups=plan_cgroups(host.confinement, machine.unit, limits, priority=priority),
        priority=priority,
        style=StartStyle.CLONE if template else boot,
        kind=kind,
        base=template.root_disk if template else image.disk,
        devices=template.devices if template else None,
        internet=spec.internet and park_in is None,
        allowed=spec.allowed,
        bytes_per_s=0 if park_in else spec.bandwidth.network_mbit_s * 1_000_000 // 8,
        listeners=host.listeners,
    )


def find_kind(spec: MachineSpec, host: Host, image: Image) -> TemplateKind:
    """Return which template a machine like this is cloned from."""
    return _kind_of(_describe_machine(spec, host, image, plain=False), host, image)


def _kind_of(machine: QemuMachine, host: Host, image: Image) -> TemplateKind:
    return TemplateKind(
        image=image.name,
        image_version=image.version,
        memory_mib=machine.memory_mib,
        cpus=machine.cpus,
        accelerator=machine.accelerator.value,
        qemu=host.qemu,
        processor=host.processor,
        user=host.group,
        shape=hash_shape(machine),
    )


def _describe_machine(spec: MachineSpec, host: Host, image: Image, *, plain: bool) -> QemuMachine:
    """Return QEMU's side of a machine that boots.

    Args:
        plain: as a distribution's own kernel and initrd do it.
    """
    return QemuMachine(
        name=spec.name,
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        accelerator=host.accelerator,
        kernel=image.kernel,
        initrd=image.generic_initrd if plain else image.initrd,
        kernel_args=PLAIN_KERNEL_ARGS if plain else image.kernel_args,
    )


def _memory_file(template: TemplateFiles | None, park_in: Path | None) -> MemoryFile | None:
    if template:
        return MemoryFile(template.memory, shared=False)
    return MemoryFile(park_in, shared=True) if park_in else None
