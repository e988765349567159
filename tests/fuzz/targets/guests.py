"""What the agent and `lab` read in the machine: from the host, the hub, and a trainee's files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import string
from functools import cache
from pathlib import Path

from fakes.fake_system import FakeSystem
from fuzz.target import check, check_text, scratch, target
from lab.acquisition import NotYetError, number_of
from lab.notices import make_html, parse_notices
from vmlab_guest.activity import parse_stat
from vmlab_guest.apply import read_hub_env
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.held import dump_outcome, parse_outcome
from vmlab_guest.courses.names import make_beside
from vmlab_guest.errors import AgentError, DeliveryError
from vmlab_guest.home import Home
from vmlab_guest.hub import Hub, HubError, _decode
from vmlab_guest.identity import make_hosts
from vmlab_guest.idle import parse_kernels, set_warning
from vmlab_guest.kernels import parse_request
from vmlab_guest.lab_server import read_news
from vmlab_guest.language import change_language, read_language
from vmlab_guest.lines import LineSplitter
from vmlab_guest.lookback import LookError, list_folder, split_path
from vmlab_guest.network import make_resolv_conf
from vmlab_guest.notices import add_notice
from vmlab_guest.restore import restore
from vmlab_guest.rtnetlink import split_messages
from vmlab_guest.server import own_server
from vmlab_guest.server_request import dump_request, read_request
from vmlab_guest.standby import can_become
from vmlab_guest.system import RUN
from vmlab_guest.takehome import write_archive
from vmlab_guest.trouble import pick_line, read_trouble
from vmlab_guest.volume import VOLUME_REQUESTS, work_on_volume
from vmlab_protocol.commands import MAX_RUN_S, parse_run
from vmlab_protocol.courses import parse_listing
from vmlab_protocol.errors import FormatError
from vmlab_protocol.messages import HostMessageType
from vmlab_protocol.notices import Language, Notice
from vmlab_protocol.paths import path_problem
from vmlab_protocol.receipts import make_receipt
from vmlab_protocol.seed_reader import SeedError, parse_seed, parse_time
from vmlab_protocol.snapshots import parse_snapshots


@cache
def _system() -> FakeSystem:
    system = FakeSystem(scratch("machine-root"))
    (system.root / RUN).mkdir(parents=True)
    return system


@target("seed", SeedError, HubError, parsers=(
    "vmlab_protocol.seed_reader:parse_seed",
    "vmlab_guest.server_request:ServerRequest.address"))  # fmt: skip
def seed(data: bytes) -> None:
    found = parse_seed(_decode(data))
    check_text(found.machine_id, found.host_name, *(m.path + m.device for m in found.mounts))
    for notice in found.notices:
        check_text(*(notice.en + notice.fr).split("\n"))
    if found.event:
        check_text(found.event.mac, *found.event.names)
    hosts = make_hosts("", found.host_name, found.event).splitlines()
    check(len(hosts) == 2, "more names than the machine's own")
    servers = [*found.network.dns, *(found.event.dns if found.event else ())]
    asked = make_resolv_conf(found.network, found.event).count("nameserver")
    check(asked == len(servers), "somebody else is asked for names")
    server = own_server(found)
    if server is None:
        check(found.server is None, "a server is lost")
        return
    for text in (*server.env.values(), *server.args):
        check("\n" not in text and "\r" not in text, "a line break in the environment")
        text.encode()
    can_become(server.env, server.args)
    request = scratch("request") / "server.json"
    request.write_text(dump_request(server.env, server.args), encoding="utf-8")
    taken = read_request(request)
    check(taken is not None and taken.env == server.env, "the zygote reads another server")
    with contextlib.suppress(ValueError):  # a URL that no library reads: nothing is asked there
        taken.address.encode()


@target("agent-words", AgentError, FormatError, OSError, parsers=(
    "vmlab_guest.volume:work_on_volume", "vmlab_guest.idle:set_warning",
    "vmlab_protocol.seed_reader:parse_time", "vmlab_guest.language:change_language",
    "vmlab_protocol.commands:parse_run"))  # fmt: skip
def agent_words(data: bytes) -> None:
    """What the host asks beside seeds, as `Agent._answer_beside` takes it."""
    message = _decode(data)
    if not isinstance(message, dict):
        return
    kind = str(message.get("type"))
    if kind in VOLUME_REQUESTS - {HostMessageType.SHOW}:  # which waits for a disk
        system = _system()
        json.dumps(work_on_volume(system, Home(system), HostMessageType(kind), message))
        Home(system).thaw()
        system.clocks.clear()
    elif kind == "time":
        check(parse_time(message.get("time_ns"), "time_ns") > 0, message)
    elif kind == "run":
        asked = parse_run(message)
        check(0 <= asked.limit_s <= MAX_RUN_S, message)
        check("\0" not in asked.command, message)
    elif kind == "language":
        change_language(_system(), message)
        check(read_language(_system().root / RUN) == message["language"], message)
    elif kind in {HostMessageType.ACTIVITY, HostMessageType.WARN}:
        set_warning(_system(), message.get("stop_at"))
        read_news(_system().root / RUN)


@target("agent-bytes", parsers=("vmlab_guest.lines:LineSplitter.feed",), is_text=False)
def agent_bytes(data: bytes) -> None:
    """However the bytes of a port arrive, the same lines come out."""
    at_once, in_pieces = LineSplitter(100), LineSplitter(100)
    lines = at_once.feed(data)
    pieces = [in_pieces.feed(data[at : at + 7]) for at in range(0, len(data), 7)]
    check(lines == [line for piece in pieces for line in piece], "other lines")
    check(all(len(line) <= 100 for line in lines), "a line is too long")


@target("hub-listing", HubError, FormatError, parsers=(
    "vmlab_protocol.courses:parse_listing", "vmlab_guest.hub:_decode"))  # fmt: skip
def hub_listing(data: bytes) -> None:
    for course in parse_listing(_decode(data)).courses:
        check_text(course.name)
        check(set(course.digest) <= set(string.hexdigits), course.digest)


@target(
    "hub-snapshots", HubError, FormatError, parsers=("vmlab_protocol.snapshots:parse_snapshots",)
)
def hub_snapshots(data: bytes) -> None:
    for snapshot in parse_snapshots(_decode(data)):
        check_text(snapshot.id)
        check(abs(snapshot.taken_s) < float("inf"), snapshot)


@target("delivery-words", DeliveryError, parsers=("vmlab_guest.courses.held:parse_outcome",))
def delivery_words(data: bytes) -> None:
    """What the helper that runs as the trainee prints; the agent sends it to the hub."""
    outcome = parse_outcome(data)
    receipt = json.dumps(make_receipt("course", 1, outcome.kept, outcome.obstacles))
    check(len(receipt) < 64 * 1024, len(receipt))


@target("delivery-record", parsers=("vmlab_guest.courses.record:read_record",))
def delivery_record(data: bytes) -> None:
    """The record is a file of the trainee's; whatever is in it, a course arrives."""
    home, original = scratch("home"), scratch("original")
    record = home / ".local/share/vmlab/delivered.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(data)
    (original / "01").mkdir(exist_ok=True)
    (original / "01/exercise.ipynb").write_bytes(b"new")
    (original / "course.toml").write_bytes(b"")
    shutil.rmtree(home / "course", ignore_errors=True)
    (home / "course/01").mkdir(parents=True)
    (home / "course/01/exercise.ipynb").write_bytes(b"edited")
    outcome = deliver(original, home, "course", 2)
    check((home / "course/01/exercise.ipynb").read_bytes() in {b"edited", b"new"}, "lost")
    check(parse_outcome(dump_outcome(outcome).encode()) == outcome, "other words")


@target("notices", parsers=("lab.notices:parse_notices", "vmlab_guest.lab_server:_read_json"))
def notices(data: bytes) -> None:
    run = _system().root / RUN
    (run / "notices.json").write_bytes(data)
    json.dumps(read_news(run)).encode()
    for notice in parse_notices(data.decode("utf-8", "replace")):
        make_html([notice], Language.FR).encode()
    add_notice(_system(), Notice("one more", "un de plus"))
    check(len(parse_notices((run / "notices.json").read_text())) >= 1, "the new one is lost")


@target("warning", parsers=("vmlab_guest.lab_server:read_news",))
def warning(data: bytes) -> None:
    run = _system().root / RUN
    (run / "warning.json").write_bytes(data)
    json.dumps(read_news(run), allow_nan=False).encode()


@target("server-trouble", parsers=(
    "vmlab_guest.trouble:read_trouble", "vmlab_guest.trouble:pick_line"))  # fmt: skip
def server_trouble(data: bytes) -> None:
    """What the zygote noted, in a machine whose root is its trainee; and a server's own words."""
    note = scratch("trouble") / "note"
    note.write_bytes(data)
    if trouble := read_trouble(note):
        check_text(trouble.line)
        json.dumps(trouble.to_json()).encode()
    check_text(pick_line(data.decode("utf-8", "replace")))


@target("hub-address", HubError, parsers=("vmlab_guest.hub:Hub._connect",), most_bytes=1024)
def hub_address(data: bytes) -> None:
    """What a notebook's environment says of the hub."""
    Hub(data.decode("utf-8", "replace"), "token")._connect(1.0).close()


@target("kernel-request", ValueError, parsers=("vmlab_guest.kernels:parse_request",))
def kernel_request(data: bytes) -> None:
    """What a program of the trainee's asks the kernel forker for."""
    request = parse_request(data)
    for text in (*request.args, *request.env, *request.env.values(), request.cwd):
        os.fsencode(text)


@target("kernel-list", ValueError, parsers=("vmlab_guest.idle:parse_kernels",))
def kernel_list(data: bytes) -> None:
    """What a trainee's server answers; it is theirs to forge."""
    check(parse_kernels(data) >= 0, "fewer than none")


@target("hub-env", parsers=("vmlab_guest.apply:read_hub_env",))
def hub_env(data: bytes) -> None:
    (_system().root / RUN / "seeded.json").write_bytes(data)
    for name, value in read_hub_env(_system()).items():
        (name + value).encode()


@cache
def _snapshot() -> Path:
    top = scratch("snapshot")
    (top / "work/deep").mkdir(parents=True)
    (top / "work/file").write_text("as it was")
    (top / "work/link").symlink_to("/etc/passwd")
    return top


@target("snapshot-paths", LookError, parsers=(
    "vmlab_guest.lookback:split_path", "vmlab_guest.lookback:list_folder",
    "vmlab_guest.restore:restore"))  # fmt: skip
def snapshot_paths(data: bytes) -> None:
    """A path in a request: nothing outside the snapshot is read, or outside the home written."""
    path = os.fsdecode(data)
    home = scratch("restored")
    done = restore(_snapshot(), home, [path], "20261129T120000")
    check(len(done.failed) <= 1, done)
    check(not (home / "work/file").is_symlink(), "followed a link")
    split_path(path)
    list_folder(_snapshot(), path)


@target("home-names", parsers=("vmlab_guest.takehome:write_archive",), is_text=False,
        most_bytes=2048)  # fmt: skip
def home_names(data: bytes) -> None:
    """A home may be taken away, whatever its files are called."""
    home = scratch("taken")
    shutil.rmtree(home)
    home.mkdir()
    for line in data.split(b"\n")[:10]:
        name = line.replace(b"\0", b"").replace(b"/", b"")[:200]
        if name not in {b"", b".", b".."}:
            (home / os.fsdecode(name)).write_bytes(b"x")
    pieces: list[bytes] = []
    check(write_archive(home, "home", pieces.append) == [], "not all is in it")


@target("course-names", parsers=("vmlab_guest.courses.names:make_beside",), most_bytes=1024)
def course_names(data: bytes) -> None:
    path = data.decode("utf-8", "surrogateescape")
    if not path_problem(path):
        path.encode()  # whatever may be in it, not all Pythons know all characters
        check(not path_problem(make_beside(path, 2)[:200]) or len(path.encode()) > 190, path)


@target("netlink", OSError, parsers=("vmlab_guest.rtnetlink:split_messages",), is_text=False)
def netlink(data: bytes) -> None:
    """A message whose length lies must not keep the agent busy for ever."""
    check(sum(len(body) for _, body in split_messages(data)) <= len(data), "more than there is")


@target("proc-stat", parsers=("vmlab_guest.activity:parse_stat",))
def proc_stat(data: bytes) -> None:
    """A process may be called anything, by its trainee; the numbers behind are the kernel's."""
    name = data.replace(b"\n", b"")[:15].decode("utf-8", "replace")
    line = f"12 ({name}) S 1 12 12 34817 12 4194560 1 0 0 0 250 50 0 0 20 0 1 0 777 0 0"
    start, process = parse_stat(line, 1000)
    check((start, process.name, process.group) == (777, name, 12), process)


@target("answer-number", NotYetError, parsers=("lab.acquisition:number_of",), most_bytes=8192)
def answer_number(data: bytes) -> None:
    """What a trainee types as a result."""
    number_of(data.decode("utf-8", "replace"))
