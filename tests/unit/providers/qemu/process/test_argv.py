"""QEMU's command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from vmlab.providers.qemu.channels.monitor import make_mac
from vmlab.providers.qemu.process.accelerator import Accelerator, make_probe_sector
from vmlab.providers.qemu.process.argv import MemoryFile, QemuMachine, hash_shape, make_argv
from vmlab.providers.qemu.process.confine import TRANSLATION_BUFFER_MIB

MACHINE = QemuMachine(
    name="desk-ada-0",
    memory_mib=512,
    cpus=2,
    accelerator=Accelerator.TCG,
    kernel=Path("/i/vmlinuz"),
    initrd=Path("/i/initrd"),
    kernel_args="root=/dev/vda quiet",
)


def values(words, option):
    return [words[i + 1] for i, word in enumerate(words) if word == option]


def test_the_whole_command():
    words = make_argv(MACHINE)
    assert words[0] == "qemu-system-x86_64"
    assert values(words, "-m") == ["512M"]
    assert values(words, "-smp") == ["2"]
    assert values(words, "-kernel") == ["/i/vmlinuz"]
    assert values(words, "-append") == ["root=/dev/vda quiet clearcpuid=cx16"]
    assert values(words, "-accel") == [f"tcg,thread=multi,tb-size={TRANSLATION_BUFFER_MIB}"]
    assert "-nodefaults" in words
    assert "-no-user-config" in words
    assert words[words.index("-action") + 1] == "reboot=shutdown,panic=shutdown"
    assert "pvpanic" in words


def test_qemu_is_sandboxed():
    (sandbox,) = values(make_argv(MACHINE), "-sandbox")
    for what in ("obsolete", "elevateprivileges", "spawn", "resourcecontrol"):
        assert f"{what}=deny" in sandbox


def test_kvm_gives_the_hosts_processor():
    words = make_argv(dataclasses.replace(MACHINE, accelerator=Accelerator.KVM))
    assert values(words, "-append") == ["root=/dev/vda quiet"]
    assert values(words, "-accel") == ["kvm"]
    assert values(words, "-cpu") == ["host"]


def test_files_of_the_machine_are_named_within_its_folder():
    words = make_argv(MACHINE)
    (root,) = (json.loads(text) for text in values(words, "-blockdev"))
    assert root["file"]["filename"] == "root.qcow2"
    assert root["file"]["locking"] == "on"
    disk = "virtio-blk-pci,drive=root,serial=root,werror=enospc,rerror=report"
    assert disk in values(words, "-device"), "a full host pauses the machine"


def test_qemu_makes_no_socket_itself():
    chardevs = values(make_argv(MACHINE), "-chardev")
    assert "socket,id=agent,fd=101,server=on,wait=off" in chardevs
    assert "socket,id=qmp,fd=100,server=on,wait=off" in chardevs
    assert not any("path=" in chardev for chardev in chardevs)


def test_cards_volume_and_snapshot_are_plugged_in_later():
    words = make_argv(MACHINE)
    assert "-netdev" not in words
    assert sum(text.startswith("pcie-root-port,") for text in values(words, "-device")) == 4
    assert "-S" in words


def test_a_clone_begins_with_the_memory_of_its_template_and_keeps_its_writes():
    clone = dataclasses.replace(MACHINE, memory_file=MemoryFile(Path("/t,1/memory"), shared=False))
    words = make_argv(clone)
    (backend,) = (json.loads(t) for t in values(words, "-object") if t.startswith("{"))
    assert backend["mem-path"] == "/t,1/memory"
    assert backend["share"] is False
    assert values(words, "-incoming") == ["defer"]
    assert "-S" not in words


def test_a_template_and_its_clones_have_the_same_shape():
    template = dataclasses.replace(MACHINE, memory_file=MemoryFile(Path("/t/memory"), shared=True))
    clone = dataclasses.replace(MACHINE, name="x", memory_file=MemoryFile(Path("/m"), shared=False))
    assert hash_shape(template) == hash_shape(clone) == hash_shape(MACHINE)


@pytest.mark.parametrize(
    "change",
    [{"memory_mib": 768}, {"cpus": 1}, {"accelerator": Accelerator.KVM}, {"kernel_args": "quiet"}],
)
def test_another_size_is_another_shape(change):
    assert hash_shape(dataclasses.replace(MACHINE, **change)) != hash_shape(MACHINE)


def test_each_machine_has_an_address_of_its_own():
    assert make_mac("desk-ada-0") == make_mac("desk-ada-0") != make_mac("desk-bob-0")
    first = int(make_mac("desk-ada-0").split(":")[0], 16)
    assert first & 0b11 == 0b10, "locally administered, one machine"


def test_the_probing_guest_is_a_boot_sector():
    sector = make_probe_sector()
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
