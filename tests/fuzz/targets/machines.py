"""What a machine says, and what the hub wrote down of machines (a QEMU may have changed it)."""

from __future__ import annotations

import asyncio
import shutil

from fuzz.target import check, check_text, loop, open_nowhere, scratch, target
from vmlab.errors import GuestError, ImageError, ProviderError
from vmlab.images.store import MANIFEST, ImageStore
from vmlab.model import EndCause
from vmlab.providers.agent.handover import hand_over
from vmlab.providers.agent.identity import keep_identity
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.base import AgentStream
from vmlab.providers.qemu.machine.aside import list_aside
from vmlab.providers.qemu.machine.disks import list_old_disks
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.status import listed_status, machine_status
from vmlab.providers.qemu.process.endings import listen_for_end, parse_event
from vmlab.providers.qemu.process.plan import TemplateKind
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import (
    RECORD,
    TemplateError,
    find_template,
    list_templates,
)
from vmlab_protocol.commands import MAX_OUTPUT_CHARS
from vmlab_protocol.messages import parse_guest_line
from vmlab_protocol.phases import GUEST_PHASES

_AGENT, _QEMU = "vmlab.providers.agent", "vmlab.providers.qemu"
KIND = TemplateKind("desk", "v1", 512, 1, "tcg", "QEMU emulator version 7.2", "cpu 0", 64055, "s")


@target(
    "agent-line",
    parsers=(
        "vmlab_protocol.messages:parse_guest_line",
        "vmlab_protocol.messages:_parse_activity",
        "vmlab_protocol.messages:_parse_trouble",
        "vmlab_protocol.commands:parse_report",
    ),
)
def agent_line(data: bytes) -> None:
    said = parse_guest_line(data)
    if said is None:
        return
    check_text(said.text, *(said.activity.why if said.activity else ()))
    check(said.activity is None or 0 <= said.activity.idle_s < float("inf"), said)
    if said.trouble:
        check_text(said.trouble.line)
        check(0 < said.trouble.ends <= 1000, said)
    if said.report:
        check_text(*said.report.output.split("\n"), said.report.refused)
        check(said.report.status is None or 0 <= said.report.status <= 255, said)
        check(len(said.report.output) <= MAX_OUTPUT_CHARS, said)
    check(said.phase is None or said.phase in GUEST_PHASES, said)


async def _listen(data: bytes) -> None:
    reader = asyncio.StreamReader(limit=16 * 1024)
    here = asyncio.get_running_loop()
    with open_nowhere() as nowhere:
        pipe = await here.connect_write_pipe(asyncio.streams.FlowControlMixin, nowhere)
        writer = asyncio.StreamWriter(*pipe, None, here)
        link = AgentLink(AgentStream("desk-ada", reader, writer))
        reader.feed_data(data)
        reader.feed_eof()
        try:
            async for phase in hand_over(link, lambda: b"{}\n", 60.0):
                check(phase in GUEST_PHASES, phase)
        finally:
            pipe[0].close()
            await asyncio.sleep(0)  # the loop closes the file in its next turn


@target(
    "agent-stream",
    GuestError,
    parsers=(f"{_AGENT}.handover:hand_over", f"{_AGENT}.link:AgentLink.receive"),
    most_bytes=64 * 1024,
)
def agent_stream(data: bytes) -> None:
    loop().run_until_complete(_listen(data))


def _machine() -> Machine:
    folder = Machine(scratch("machine") / "desk-ada")
    folder.path.mkdir(exist_ok=True)
    return folder


@target(
    "machine-record",
    ProviderError,
    parsers=(f"{_QEMU}.machine.machine:Machine.record", f"{_QEMU}.machine.status:machine_status"),
)
def machine_record(data: bytes) -> None:
    folder = _machine()
    folder.exit_report.unlink(missing_ok=True)
    folder.checkpoint.write_bytes(data)
    listed_status(folder)  # one damaged record must not hide the other machines
    record = folder.record()
    assert record is not None
    machine_status(folder)
    folder.write(record)
    check(folder.record() == record, record)


async def _hear_end(data: bytes) -> EndCause | None:
    reader = asyncio.StreamReader(limit=100)
    reader.feed_data(data)
    reader.feed_eof()
    return await listen_for_end(reader)


@target("qemu-event", parsers=(
    f"{_QEMU}.process.endings:parse_event", f"{_QEMU}.process.endings:listen_for_end"))  # fmt: skip
def qemu_event(data: bytes) -> None:
    """A QEMU that was taken over says what it likes."""
    causes = {parse_event(line) for line in data.split(b"\n")} - {None}
    said = loop().run_until_complete(_hear_end(data))
    check(said is None or said in causes, said)


@target("exit-report", parsers=(f"{_QEMU}.machine.status:_find_end",))
def exit_report(data: bytes) -> None:
    folder = _machine()
    folder.checkpoint.write_text(
        '{"version": 2, "name": "desk-ada", "owner": "ada", "image": "desk", "stage": "seeded"}'
    )
    folder.exit_report.write_bytes(data)
    machine_status(folder).problem.encode()


@target("identity", ProviderError, parsers=(f"{_AGENT}.identity:keep_identity",))
def identity(data: bytes) -> None:
    folder = _machine()
    folder.identity.write_bytes(data)
    found = keep_identity(folder.name, folder.identity, folder.access_key)
    for value in vars(found).values():
        value.encode()


@target(
    "template-record",
    TemplateError,
    parsers=(f"{_QEMU}.warm.template:_parse", f"{_QEMU}.warm.template:check_marks"),
)
def template_record(data: bytes) -> None:
    templates = scratch("templates")
    folder = templates / "one"
    folder.mkdir(exist_ok=True)
    (folder / RECORD).write_bytes(data)
    list_templates(templates)
    find_template(templates, KIND)


@target("pool-note", parsers=(f"{_QEMU}.warm.pool:Pool._ready",))
def pool_note(data: bytes) -> None:
    folder = scratch("pool")
    (folder / "pool-1").mkdir(exist_ok=True)
    (folder / "pool-1/ready.json").write_bytes(data)
    pool = Pool(folder, folder / "failed")
    check(not pool.claim(Machine(folder / "target"), KIND, way_out=""), "nothing runs")


def _image(manifest: bytes, stamps: bytes) -> None:
    images = scratch("images")
    folder = images / "desk/current"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("disk.qcow2", "vmlinuz", "initrd"):
        (folder / name).touch()
    (folder / MANIFEST).write_bytes(manifest)
    (folder / ".verified.json").write_bytes(stamps)
    store = ImageStore(images)
    store.list()
    store.verify(store.find("desk"))


@target("kept-names", parsers=(
    f"{_QEMU}.machine.aside:list_aside",
    f"{_QEMU}.machine.disks:list_old_disks"), most_bytes=1024)  # fmt: skip
def kept_names(data: bytes) -> None:
    """Names of what is kept: machines that were replaced, and their older disks."""
    name = data.replace(b"\0", b"").replace(b"/", b"")[:200].decode("utf-8", "surrogateescape")
    folder = scratch("kept")
    shutil.rmtree(folder)
    folder.mkdir()
    if name in {"", ".", ".."}:
        return
    (folder / name).mkdir()
    for kept in list_aside(folder):
        check(kept.at < 2**40, kept)
    for disk in list_old_disks(Machine(folder)):
        check(disk.at < 2**40, disk)


@target("image-manifest", ImageError, parsers=("vmlab.images.store:parse_manifest",))
def image_manifest(data: bytes) -> None:
    _image(data, b"{}")


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MANIFEST_TEXT = """{"name": "desk", "version": "v1", "recipe": "r", "created": 1000.5,
 "kernel_args": "console=ttyS0", "disk_size_mib": 2048, "packages": 3, "build_s": 12.5,
 "files": {"disk.qcow2": {"bytes": 0, "sha256": "%s"}, "vmlinuz": {"bytes": 0, "sha256": "%s"},
           "initrd": {"bytes": 0, "sha256": "%s"}}}""" % ((EMPTY,) * 3)


@target("image-stamps", parsers=("vmlab.images.store:ImageStore._read_stamps",))
def image_stamps(data: bytes) -> None:
    _image(MANIFEST_TEXT.encode(), data)
