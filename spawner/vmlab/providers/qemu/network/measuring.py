"""What the network of an event costs and gives, without machines: for `vmlab bench network`.

`measure` is the hub's side. What needs a namespace runs in a process of its own, `python -m` this
module, because it leaves that namespace for good; prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import psutil

from vmlab.errors import HostError
from vmlab.model import Card, NetworkSpec
from vmlab.network import link_speed
from vmlab.network.uplink import enter_namespace
from vmlab.providers.facts import LinkSpeed, NamesSpeed, NetworkCost
from vmlab.providers.qemu.network import bridge
from vmlab.providers.qemu.network.dns import make_question, read_addresses
from vmlab.providers.qemu.network.keeper import LOCK
from vmlab.providers.qemu.network.layout import Member, names_address
from vmlab.providers.qemu.network.name_server import PORT, NameServer
from vmlab.providers.qemu.network.names import Names
from vmlab.providers.qemu.network.namespace import HOLDER_LOCK, apply_settings
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.system.environment import tool_environment
from vmlab.system.locks import lock_holder

_MODULE = "vmlab.providers.qemu.network.measuring"
_FARM = NetworkSpec("bench", IPv4Network("10.77.0.0/16"))
_MACHINES = 2  # of each trainee: a desk and a node
_QUESTIONS = 20  # of each client
_IDLE_S = 10.0
_LIMIT_S = 300.0
_LINK_PORT = 7007
_CLONE_NEWNET = 0x40000000


async def measure(trainees: int, clients: int) -> NetworkCost:
    """Return what a network of so many trainees costs, and how it answers so many clients.

    Raises:
        HostError: this host cannot have networks.
    """
    memory_mib, idle_ms, join_ms = await _measure_cost(trainees)
    told = await _measure_apart(clients)
    return NetworkCost(
        trainees=trainees,
        memory_mib=memory_mib,
        idle_cpu_ms_per_s=idle_ms,
        join_ms=join_ms,
        names=NamesSpeed(**told["names"]),
        link=LinkSpeed(**told["link"]),
        loopback=LinkSpeed(**told["loopback"]),
    )


async def _measure_cost(trainees: int) -> tuple[float, float, float]:
    """Return memory, processor time while idle, and the median time in which a machine joins."""
    # Short: unix sockets are below it.
    with tempfile.TemporaryDirectory(prefix="vmlab-") as name:
        folder, ports, times = Path(name), [], []
        networks = EventNetworks(folder)
        try:
            for number in range(1, trainees + 1):
                for place in range(1, _MACHINES + 1):
                    member = _member(number, place)
                    began = time.perf_counter()
                    ports.append(await networks.join(member.machine, member.card))
                    times.append(time.perf_counter() - began)
            locks = (folder / _FARM.name / LOCK, folder / _FARM.name / HOLDER_LOCK)
            pids = [pid for pid in (lock_holder(str(lock)) for lock in locks) if pid]
            processes = [psutil.Process(pid) for pid in pids]
            memory = sum(process.memory_full_info().pss for process in processes)
            before = sum(_cpu_s(process) for process in processes)
            await asyncio.sleep(_IDLE_S)  # what is measured: nothing happens
            idle_s = sum(_cpu_s(process) for process in processes) - before
        finally:
            for port in ports:
                port.close()
            await networks.remove(_FARM.name)
    return (
        round(memory / 2**20, 1),
        round(1000 * idle_s / _IDLE_S, 2),
        round(1000 * statistics.median(times), 1),
    )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _measure_apart(clients: int) -> dict[str, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MODULE, str(clients),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=tool_environment("PYTHONPATH"),
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LIMIT_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()[-1000:]
        raise HostError(f"the network cannot be measured: {said}", hint="see vmlab doctor")
    told: dict[str, dict[str, Any]] = json.loads(output)
    return told


def _member(number: int, place: int) -> Member:
    trainee = f"t{number:02d}"
    address = IPv4Interface((_FARM.addresses.network_address + number * 256 + place, 16))
    label = "desk" if place == 1 else "node1"
    names = (f"{label}-{trainee}" if place == 1 else f"{label}.{trainee}",)
    mac = f"02:00:{address.packed[:4].hex(':')}"
    return Member(f"{label}-{trainee}", Card(_FARM, mac, address, trainee, names, (label,)))


# -- in a namespace --------------------------------------------------------------------------------


def main() -> None:
    """Measure names for as many clients as the command line says, and the link; print it."""
    clients = int(sys.argv[1])
    enter_namespace()
    apply_settings()
    loopback = _measure_link("127.0.0.1", [None, None])
    names = asyncio.run(_measure_names(clients))
    link = _measure_bridge()
    told = {"names": asdict(names), "link": asdict(link), "loopback": asdict(loopback)}
    print(json.dumps(told))  # noqa: T201 - the answer


async def _measure_names(clients: int) -> NamesSpeed:
    """Have all clients ask at once, each from an address of its own, one question after another."""
    route = ["route", "add", "local", str(_FARM.addresses), "dev", "lo"]
    await bridge.run_command("ip", *route)
    members = [_member(number, 1) for number in range(1, clients + 1)]
    server = NameServer(names_address(_FARM))
    server.names = Names.of(_FARM.addresses, members)
    try:
        began = time.perf_counter()
        each = await asyncio.gather(*(_ask_all(member, clients) for member in members))
        took_s = time.perf_counter() - began
    finally:
        server.close()
    times = [took for client in each for took in client]
    return NamesSpeed(
        clients=clients,
        answers_per_s=round(len(times) / took_s),
        median_ms=round(1000 * statistics.median(times), 2),
        max_ms=round(1000 * max(times), 2),
    )


async def _ask_all(member: Member, clients: int) -> list[float]:
    loop, times = asyncio.get_running_loop(), []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
        end.bind((str(member.card.address.ip), 0))
        end.connect((str(names_address(_FARM)), PORT))
        for number in range(1, _QUESTIONS + 1):
            other = _member(1 + number % clients, 1)
            asked = make_question(number, other.card.names[0])
            began = time.perf_counter()
            await loop.sock_sendall(end, asked)
            code, found = read_addresses(await loop.sock_recv(end, 512), asked)
            times.append(time.perf_counter() - began)
            if (code, found) != (0, (other.card.address.ip,)):
                raise HostError(f"{other.card.names[0]} is said to be {found}, code {code}")
    return times


def _measure_bridge() -> LinkSpeed:
    """Measure between two processes in namespaces of their own, by the event's bridge and rules."""
    members = [_member(1, 1), _member(1, 2)]
    asyncio.run(_set_up(members))
    return _measure_link(str(members[0].card.address.ip), members)


async def _set_up(members: list[Member]) -> None:
    await bridge.set_up(_FARM, members)
    for member in members:
        await bridge.add_cable(member)
        await bridge.join(member)


def _measure_link(host: str, members: Sequence[Member | None]) -> LinkSpeed:
    """Measure between two children, each with the far end of a member's cable, or with none."""
    read, write = os.pipe()
    server = _fork(members[0], lambda: link_speed.serve(_LINK_PORT))
    client = _fork(
        members[1],
        lambda: os.write(write, json.dumps(link_speed.ask(host, _LINK_PORT)).encode()),
    )
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    for pid in (server, client):
        os.waitpid(pid, 0)
    if not text:
        raise HostError(f"two processes do not reach each other at {host}")
    return LinkSpeed(**json.loads(text))


def _fork(member: Member | None, work: Callable[[], object]) -> int:
    """Begin work in a child; return its process id once its interface is there."""
    go_read, go_write = os.pipe()
    up_read, up_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if member:
                if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "no namespace")
                os.write(up_write, b"1")
                os.read(go_read, 1)
                _bring_up(member)
            work()
            status = 0
        finally:
            os._exit(status)
    if member:
        os.read(up_read, 1)
        words = ["ip", "link", "set", member.outer, "netns", str(pid)]
        subprocess.run(words, env=tool_environment(), check=True)
        os.write(go_write, b"1")
    for descriptor in (go_read, go_write, up_read, up_write):
        os.close(descriptor)
    return pid


def _bring_up(member: Member) -> None:
    outer, card = member.outer, member.card
    for line in (
        f"link set {outer} address {card.mac} arp on up",
        f"address add {card.address} dev {outer}",
    ):
        subprocess.run(["ip", *line.split()], env=tool_environment(), check=True)


if __name__ == "__main__":
    main()
