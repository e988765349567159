"""QEMU's command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from vmlab.providers.qemu.accelerator import Accelerator, make_probe_sector
from vmlab.providers.qemu.argv import QemuMachine, make_argv

MACHINE = QemuMachine(
    name="desk-ada-0",
    memory_mib=512,
    cpus=2,
    accelerator=Accelerator.TCG,
    kernel=Path("/i/vmlinuz"),
    initrd=Path("/i/initrd"),
    kernel_args="root=/dev/vda quiet",
    root_disk=Path("/m/root.qcow2"),
    volume=Path("/v/home.qcow2"),
    qmp=Path("/m/qmp.sock"),
    agent=Path("/m/agent.sock"),
)


def values(words, option):
    return [words[i + 1] for i, word in enumerate(words) if word == option]


def test_the_whole_command():
    words = make_argv(MACHINE)
    assert words[0] == "qemu-system-x86_64"
    assert values(words, "-m") == ["512M"]
    assert values(words, "-smp") == ["2"]
    assert values(words, "-kernel") == ["/i/vmlinuz"]
    assert values(words, "-append") == ["root=/dev/vda quiet"]
    assert values(words, "-accel") == ["tcg,thread=multi,tb-size=64"]
    assert "-nodefaults" in words
    assert "-no-user-config" in words
    assert "-no-reboot" in words


def test_qemu_is_sandboxed():
    (sandbox,) = values(make_argv(MACHINE), "-sandbox")
    for what in ("obsolete", "elevateprivileges", "spawn", "resourcecontrol"):
        assert f"{what}=deny" in sandbox


def test_kvm_gives_the_hosts_processor():
    words = make_argv(dataclasses.replace(MACHINE, accelerator=Accelerator.KVM))
    assert values(words, "-accel") == ["kvm"]
    assert values(words, "-cpu") == ["host"]


def test_disks_carry_serials_and_odd_paths_survive():
    machine = dataclasses.replace(MACHINE, volume=Path("/v/a,b=c.qcow2"), agent=Path("/m,1/a.sock"))
    words = make_argv(machine)
    root, home = (json.loads(text) for text in values(words, "-blockdev"))
    assert root["file"]["filename"] == "/m/root.qcow2"
    assert home["file"]["filename"] == "/v/a,b=c.qcow2"
    assert home["file"]["locking"] == "on"
    assert "virtio-blk-pci,drive=home,serial=home" in values(words, "-device")
    assert "socket,id=agent,path=/m,,1/a.sock,server=on,wait=off" in values(words, "-chardev")


def test_a_machine_without_a_volume_has_one_disk():
    assert len(values(make_argv(dataclasses.replace(MACHINE, volume=None)), "-blockdev")) == 1


def test_doors_are_on_loopback_and_there_is_no_network_boot():
    words = make_argv(MACHINE)
    (netdev,) = values(words, "-netdev")
    assert netdev.count("hostfwd=tcp:127.0.0.1:") == netdev.count("hostfwd=") == 2
    assert "virtio-net-pci,netdev=net0,romfile=" in values(words, "-device")


def test_the_probing_guest_is_a_boot_sector():
    sector = make_probe_sector()
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
