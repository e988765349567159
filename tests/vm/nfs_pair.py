"""Two machines with the image `server` and a wire between them: a file server, and its clients.

QEMU is started here and not by a provider: a test kills one of them and goes on with the other.
What is said to the agents is said by the product's own code. Commands run as root, through the
image's guest agent, so that none of them needs what is being tested.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from fakes.guest_seeds import PRIVATE_KEY, PUBLIC_KEY
from fakes.waiting import wait_until
from vmlab.images.store import Image
from vmlab.providers.agent.handover import await_agent, hand_over, seed_maker
from vmlab.providers.agent.link import AgentLink, open_unix_agent
from vmlab.seed import Identity, Seed, guest_network
from vmlab_protocol.messages import HostMessageType
from vmlab_protocol.seed import EventNetwork, Mount
from vmlab_protocol.share import Roster, Share, roster_json

BOOT_S = 600
COMMAND_S = 240
MIB = 2**20


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    status: int
    text: str


class SmallMachine:
    """One machine; `wire` and `peer` are the ends of its second card's wire."""

    def __init__(self, folder: Path, name: str, image: Image, wire: Path, peer: Path) -> None:
        folder.mkdir()
        self.name = name
        self._folder = folder
        self._image = image
        self._wire = (wire, peer)
        self._qemu: subprocess.Popen[bytes] | None = None
        self._mac = f"02:00:0a:4d:00:{sum(wire.name.encode()) % 256:02x}"
        self.volume: Path | None = None
        disk = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.disk)]
        subprocess.run([*disk, str(folder / "root.qcow2")], check=True)

    def add_volume(self, size_mib: int) -> None:
        """Give it a volume as the hub makes one."""
        self.volume = self._folder / "volume.raw"
        with self.volume.open("wb") as file:
            file.truncate(size_mib * MIB)
        words = ["mke2fs", "-q", "-t", "ext4", "-F", "-L", "home", "-E"]
        options = "root_owner=1000:1000,lazy_itable_init=1"
        subprocess.run([*words, options, str(self.volume)], check=True)

    def power_on(self) -> None:
        """Start it; returns at once."""
        for name in ("agent", "qga"):
            (self._folder / name).unlink(missing_ok=True)
        self._wire[0].unlink(missing_ok=True)
        with (self._folder / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(self._argv(), stdout=log, stderr=log)

    def kill(self) -> None:
        """Take its power away."""
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait(60)
            self._qemu = None

    def power_off(self, limit_s: float) -> None:
        """Have its agent power it off, as the hub does; returns when it is."""

        async def work() -> None:
            async with AgentLink(await open_unix_agent(self.name, self._folder / "agent")) as link:
                await link.send(HostMessageType.POWEROFF)
                assert self._qemu is not None
                await asyncio.to_thread(self._qemu.wait, limit_s)

        asyncio.run(work())
        self._qemu = None

    def seed(
        self, number: int, *, address: IPv4Interface | None = None, share: Share | None = None
    ) -> None:
        """Make it a machine of the event; returns when it is.

        Args:
            number: its machine-id.
            address: of its second card; None: the card is left alone.
            share: its part of the file server.
        """
        mounts = (Mount("/dev/disk/by-id/virtio-home", "/srv"),) if self.volume else ()
        make_line = seed_maker(
            Seed(env={}, serves=False, share=share),
            Identity(f"{number:032x}", PRIVATE_KEY, PUBLIC_KEY, PUBLIC_KEY),
            host_name=self.name,
            network=guest_network(dns=()),
            mounts=mounts,
            event=EventNetwork(self._mac, address, (), (self.name,)) if address else None,
        )

        async def work() -> None:
            port = self._folder / "agent"
            await asyncio.to_thread(wait_until, port.exists)  # QEMU makes it
            async with AgentLink(await open_unix_agent(self.name, port)) as link:
                await await_agent(link, BOOT_S)
                async for _ in hand_over(link, make_line, BOOT_S):
                    pass

        try:
            asyncio.run(work())
        except Exception as error:
            raise AssertionError(f"{error}\n{self.console()}") from error

    def serve(self, roster: Roster) -> int:
        """Tell it whom to serve; return the serial of what it serves."""

        async def work() -> int:
            async with AgentLink(await open_unix_agent(self.name, self._folder / "agent")) as link:
                answer = await link.ask(HostMessageType.SERVE, COMMAND_S, **roster_json(roster))
                return answer.serial

        return asyncio.run(work())

    def run(self, command: str, *, ok: Sequence[int] = (0,), limit_s: float = COMMAND_S) -> str:
        """Run a shell command as root; return what it wrote."""
        done = self.finish(self.begin(command), limit_s)
        assert done.status in ok, f"{self.name}: {command}\n{done}\n{self.console()}"
        return done.text

    def begin(self, command: str) -> int:
        """Start a shell command as root; return its process id."""
        argument = {
            "path": "/bin/sh",
            "arg": ["-c", f"exec 2>&1; {command}"],
            "capture-output": True,
        }
        return int(self._ask("guest-exec", argument)["pid"])

    def finish(self, pid: int, limit_s: float = COMMAND_S) -> Done:
        """Return how a command ended that was begun."""
        deadline = time.monotonic() + limit_s
        while True:
            status = self._ask("guest-exec-status", {"pid": pid})
            if status["exited"]:
                text = base64.b64decode(status.get("out-data", "")).decode(errors="replace")
                return Done(status.get("exitcode", 128 + status.get("signal", 0)), text)
            assert time.monotonic() < deadline, f"{self.name}: no end\n{self.console()}"
            time.sleep(0.2)

    def console(self) -> str:
        """Return the end of what it wrote to its console."""
        path = self._folder / "console"
        text = path.read_text(errors="replace")[-4000:] if path.exists() else ""
        return f"--- console of {self.name}\n{text}"

    def _ask(self, command: str, arguments: dict[str, object]) -> dict[str, Any]:
        """Ask the guest agent one thing, again until it is there.

        ref: QEMU Guest Agent Protocol Reference, guest-sync-delimited
        """
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                return self._ask_once(command, arguments)
            except (OSError, EOFError) as error:
                message = f"{self.name}: no guest agent: {error}\n{self.console()}"
                assert time.monotonic() < deadline, message
                time.sleep(0.5)

    def _ask_once(self, command: str, arguments: dict[str, object]) -> dict[str, Any]:
        token = secrets.randbits(31)
        sync = {"execute": "guest-sync-delimited", "arguments": {"id": token}}
        asked = {"execute": command, "arguments": arguments}
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(60)
            port.connect(str(self._folder / "qga"))
            with port.makefile("rwb") as stream:
                stream.write(b"\xff" + json.dumps(sync).encode() + b"\n")
                stream.flush()
                while True:
                    line = stream.readline()
                    if not line:
                        raise EOFError
                    if line.startswith(b"\xff") and json.loads(line[1:]).get("return") == token:
                        break
                stream.write(json.dumps(asked).encode() + b"\n")
                stream.flush()
                answer = json.loads(stream.readline() or b"{}")
        assert "return" in answer, f"{self.name}: {command}: {answer}"
        return dict(answer["return"])

    def _argv(self) -> list[str]:
        image, folder = self._image, self._folder
        ends = ",".join(
            f"{end}.type=unix,{end}.path={path}"
            for end, path in zip(("local", "remote"), self._wire, strict=True)
        )
        # fmt: off
        words = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,usb=off,vmport=off,hpet=off",
            "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max", "-smp", "1", "-m", "512M",
            "-object", "rng-random,id=rng0,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=rng0",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.vmlab.agent",
            "-chardev", f"socket,id=qga,path={folder}/qga,server=on,wait=off",
            "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
            "-blockdev", f"qcow2,node-name=root,file.driver=file,file.filename={folder}/root.qcow2",
            "-device", "virtio-blk-pci,drive=root,serial=root",
            "-netdev", "user,id=net0,restrict=on",
            "-device", "virtio-net-pci,netdev=net0,romfile=,addr=0x10",
            "-netdev", f"dgram,id=net1,{ends}",
            "-device", f"virtio-net-pci,netdev=net1,romfile=,addr=0x11,mac={self._mac}",
            "-kernel", str(image.kernel), "-initrd", str(image.initrd),
            "-append", f"{image.kernel_args} clearcpuid=cx16",
            "-serial", f"file:{folder}/console",
        ]
        if self.volume:
            words += [
                "-blockdev", f"raw,node-name=volume,file.driver=file,file.filename={self.volume}",
                "-device", "virtio-blk-pci,drive=volume,serial=home",
            ]
        # fmt: on
        return words
