"""Room in memory: who is let in, and what the host tells."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab import messages
from vmlab.errors import HostError
from vmlab.providers.qemu.machine.users import MACHINE_UIDS
from vmlab.providers.qemu.process.admission import (
    MachineMemory,
    Memory,
    MemoryFacts,
    check_room,
    read_available_mib,
    read_machines,
)
from vmlab.providers.qemu.process.confine import machine_limits
from vmlab.system.host import RESERVE_MIB

OWN = os.geteuid()
LIMIT_MIB = machine_limits(512, 1).memory_mib


def admits(facts, need_mib=LIMIT_MIB, overcommit=1.0):
    try:
        check_room(need_mib, facts, overcommit)
    except HostError:
        return False
    return True


def fill(host_mib, overcommit=1.0):
    """How many machines are let into a host, one after the other, each still small."""
    machines: tuple[MachineMemory, ...] = ()
    while admits(MemoryFacts(host_mib - 100 * len(machines), machines), LIMIT_MIB, overcommit):
        machines = (*machines, MachineMemory("", LIMIT_MIB, private_mib=100))
    return len(machines)


def test_a_class_of_twenty_fits_into_24_gib_and_not_into_8():
    assert fill(24 * 1024 - 600) >= 20
    assert 5 <= fill(8 * 1024 - 600) < 20
    assert fill(8 * 1024 - 600, overcommit=3) >= 20


def test_what_small_machines_may_grow_by_is_taken():
    small = (MachineMemory("", 600, private_mib=100),)
    assert admits(MemoryFacts(RESERVE_MIB + 1100, small), need_mib=600)
    assert not admits(MemoryFacts(RESERVE_MIB + 1099, small), need_mib=600)
    grown = (MachineMemory("", 600, private_mib=700),)
    assert admits(MemoryFacts(RESERVE_MIB + 600, grown), need_mib=600)


@pytest.mark.parametrize("overcommit", [1.0, 2.0, 10.0])
def test_the_reserve_is_never_promised(overcommit):
    assert not admits(MemoryFacts(RESERVE_MIB), need_mib=1, overcommit=overcommit)


def test_a_refusal_tells_the_operator_numbers_and_the_trainee_none():
    machines = (MachineMemory("", 832, private_mib=132), MachineMemory("", 832))
    with pytest.raises(HostError) as refused:
        check_room(832, MemoryFacts(2000, machines), 1.0)
    for number in ("832", "2000", "1532", "2 machines"):
        assert number in refused.value.message
    assert refused.value.hint
    assert refused.value.public is messages.NO_PLACE
    with pytest.raises(HostError) as refused:
        check_room(832, MemoryFacts(1000), 1.5)
    assert refused.value.public is messages.NO_MEMORY, "nobody's leaving would help"


@given(
    total_mib=st.integers(0, 2**16),
    steps=st.lists(
        st.tuples(st.integers(0, 2**12), st.floats(0, 1), st.integers(0, 10)), max_size=40
    ),
)
def test_whatever_machines_do_their_limits_fit(total_mib, steps):
    """Machines start, grow, and end; the sum of the limits never exceeds what there is."""
    machines: list[MachineMemory] = []
    for limit_mib, growth, ends in steps:
        free_mib = total_mib - sum(machine.private_mib for machine in machines)
        if admits(MemoryFacts(free_mib, tuple(machines)), need_mib=limit_mib):
            machines.append(MachineMemory("", limit_mib))
        assert not machines or sum(m.limit_mib for m in machines) <= total_mib - RESERVE_MIB
        machines = [
            MachineMemory("", m.limit_mib, m.private_mib + int(growth * m.growth_mib))
            for number, m in enumerate(machines)
            if number != ends
        ]


# -- what the host tells -----------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path):
    """A host with 4 GiB available and no processes but two of others."""
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable:    4194304 kB\n")
    add_process(folder, 1, comm="init", words=["/sbin/init"])
    add_process(folder, 2, comm="qemu-system-x86", words=["qemu-system-x86_64", "-m", "64M"])
    return folder


def add_process(proc, pid, *, comm, words, private_kib=1024, cwd="/", uid=OWN):
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cmdline").write_text("".join(f"{word}\0" for word in words))
    (folder / "status").write_text(
        f"Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        f"VmRSS:\t 9 kB\nRssAnon:\t  {private_kib} kB\n"
    )
    (folder / "cwd").symlink_to(cwd)


def add_machine(proc, pid, cwd, *, private_kib=102400, comm="vmlab-desk-ada-", uid=OWN):
    words = ["qemu-system-x86_64", "-name", "guest=desk-ada-0,process=vmlab-desk-ada-0"]
    add_process(
        proc,
        pid,
        comm=comm,
        words=[*words, "-m", "512M"],
        private_kib=private_kib,
        cwd=cwd,
        uid=uid,
    )


def test_machines_are_found_by_their_processes(proc):
    add_machine(proc, 10, "/s/machines/desk-ada")
    add_machine(proc, 11, "/other/machines/desk-ada", comm="qemu-system-x86", private_kib=2048)
    found = sorted(read_machines(proc), key=lambda machine: machine.private_mib)
    assert found == [
        MachineMemory("/other/machines/desk-ada", LIMIT_MIB, 2),
        MachineMemory("/s/machines/desk-ada", LIMIT_MIB, 100),
    ]


@pytest.mark.attack("worker.processes", "another user of the host calls processes machines")
@pytest.mark.parametrize(
    ("uid", "counts"),
    [(OWN, True), (MACHINE_UIDS.start, True), (MACHINE_UIDS.stop, False), (OWN + 54321, False)],
)
def test_what_others_call_a_machine_takes_no_memory_from_one(proc, uid, counts, tried):
    add_machine(proc, 10, "/m", uid=uid)
    assert len(read_machines(proc)) == counts
    tried(1)


def test_a_process_that_is_ending_is_none(proc):
    add_machine(proc, 10, "/m")
    (proc / "10" / "status").write_text("Name:\tvmlab-desk\n")  # its memory is gone already
    add_machine(proc, 11, "/m")
    (proc / "11" / "cmdline").unlink()
    assert read_machines(proc) == []


NINES = "9" * 5000
LIES = {
    "memory": ["-name", "x,process=vmlab-x", "-m", f"{NINES}M"],
    "buffer": ["-name", "x,process=vmlab-x", "-m", "64M", "-accel", f"tcg,tb-size={NINES}"],
    "nothing": [],
}


@pytest.mark.attack("jobs.own-machine", "a process gives itself a name and numbers that are not")
@pytest.mark.parametrize("words", LIES.values(), ids=LIES)
def test_a_process_that_calls_itself_something_strange_hides_no_machine(proc, words):
    add_machine(proc, 10, "/m")
    add_process(proc, 11, comm="", words=["qemu-system-x86_64", *words])
    (proc / "11" / "comm").write_bytes(b"vmlab-\xff\n")
    status = (proc / "11" / "status").read_bytes()
    (proc / "11" / "status").write_bytes(b"Name:\tvmlab-\xff\n" + status)
    add_process(proc, 12, comm="", words=words)
    (proc / "12" / "comm").write_bytes(b"\xff\n")
    assert "/m" in {machine.folder for machine in read_machines(proc)}


def test_this_host_can_be_read():
    assert read_available_mib() > 0
    assert isinstance(read_machines(), list)


def test_a_container_has_what_its_limit_leaves(proc, tmp_path):
    assert read_available_mib(proc, tmp_path) == 4096
    (tmp_path / "memory.max").write_text("max\n")
    assert read_available_mib(proc, tmp_path) == 4096
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\nactive_file {2**27}\ninactive_file {2**27}\n")
    assert read_available_mib(proc, tmp_path) == 512 + 256


def test_a_container_of_cgroups_version_1(proc, tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text(f"{2**30}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{2**29}\n")
    stat = f"active_file 0\ninactive_file 0\ntotal_active_file {2**27}\ntotal_inactive_file 0\n"
    (folder / "memory.stat").write_text(stat)
    assert read_available_mib(proc, tmp_path) == 512 + 128


# -- starts at the same moment ----------------------------------------------------------------


def places(available_mib, limit_mib=LIMIT_MIB):
    return (available_mib - RESERVE_MIB) // limit_mib


async def start(memory, folder, gate):
    async with memory.reserve(folder, LIMIT_MIB):
        await gate.wait()


async def test_of_starts_at_once_as_many_are_let_in_as_fit(proc, tmp_path):
    gate = asyncio.Event()
    # Two objects, as two processes have them.
    hubs = [Memory(tmp_path / "notes", proc=proc) for _ in range(2)]
    fit = places(4096)
    starts = [
        asyncio.create_task(start(hubs[number % 2], tmp_path / str(number), gate))
        for number in range(fit + 3)
    ]
    too_many = itertools.islice(asyncio.as_completed(starts), 3)
    for task in too_many:
        with pytest.raises(HostError):
            await task
    gate.set()
    results = await asyncio.gather(*starts, return_exceptions=True)
    assert [type(r) for r in results if r] == [HostError] * 3
    assert (await hubs[0].facts()).machines == (), "all promises ended"


async def test_a_promise_ends_with_the_start_even_when_it_is_cancelled(proc, tmp_path):
    memory = Memory(tmp_path / "notes", proc=proc)
    inside = asyncio.Event()

    async def hang():
        async with memory.reserve(tmp_path / "m", LIMIT_MIB):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    assert (await memory.facts()).growth_mib == LIMIT_MIB
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (await memory.facts()).growth_mib == 0


async def test_a_machine_whose_process_is_there_is_counted_once(proc, tmp_path):
    memory = Memory(tmp_path / "notes", proc=proc)
    async with memory.reserve(Path("/s/machines/desk-ada"), LIMIT_MIB):
        add_machine(proc, 10, "/s/machines/desk-ada")
        facts = await memory.facts()
    assert [machine.private_mib for machine in facts.machines] == [100]
    assert facts.growth_mib == LIMIT_MIB - 100


async def test_the_promise_of_a_process_that_was_killed_is_void(proc, tmp_path):
    notes = tmp_path / "notes"
    async with Memory(notes, proc=proc).reserve(Path("/m"), LIMIT_MIB):
        (left,) = notes.glob("*.json")
        content = left.read_bytes()
    left.write_bytes(content)  # a lock ends with its process, the file does not
    assert (await Memory(notes, proc=proc).facts()).machines == ()
    assert not left.exists()


async def test_check_has_no_side_effect(proc, tmp_path):
    memory = Memory(tmp_path / "notes", proc=proc)
    await memory.check(LIMIT_MIB)
    with pytest.raises(HostError):
        await memory.check(4096)
    assert not (tmp_path / "notes").exists()
