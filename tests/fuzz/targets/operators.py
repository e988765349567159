"""What operators and trainers write, and what browsers and machines send to the hub."""

from __future__ import annotations

import fcntl
import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fuzz.target import Broken, check, check_text, loop, scratch, target
from narval.outside import load_json as acquisition_json
from vmlab.bench.facts import make_json, parse_json
from vmlab.cli.log import select
from vmlab.errors import ConfigError, HostError, VolumeConflictError
from vmlab.groups.plan import make_group
from vmlab.groups.rules import group_rules
from vmlab.hub.access import find_access
from vmlab.hub.hello import read_heard
from vmlab.hub.lock import last_holder, lock_path
from vmlab.hub.loop_watch import read_blocks, worst
from vmlab.images.mirrors import choose_mirrors, parse_apt_options, parse_deb822, parse_one_line
from vmlab.images.recipe import read_recipe
from vmlab.images.wheels import parse_lock
from vmlab.lab.lab import parse_lab
from vmlab.lab.origins import machine_hosts, plain_url, url_problem
from vmlab.lab.toml_errors import parse_toml
from vmlab.model import MachineSpec
from vmlab.names import host_name, machine_name, volume_name
from vmlab.paths import Paths
from vmlab.people.accounts import format_passwords, read_passwords
from vmlab.system.job_states import jobs_path, read_jobs
from vmlab.upkeep.idle.break_file import break_path, declare_break, parse_until, read_break
from vmlab.volumes.locks import hold_volume
from vmlab.volumes.model import is_volume_name, make_quarantine_name, parse_quarantine_name
from vmlab.web.api.bodies import (
    BodyError,
    parse_break,
    parse_language,
    parse_progress,
    parse_receipt,
    parse_renewal,
)
from vmlab_protocol.outside import load_json
from vmlab_protocol.snapshots import make_snapshot_id, parse_snapshot_id

NOW = datetime(2026, 11, 29, 12, 0)  # noqa: DTZ001 - what people write is local time
_BODIES = "vmlab.web.api.bodies"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _object(data: bytes) -> dict[str, Any]:
    """Return a body as `LabHandler.json_body` does."""
    try:
        value = load_json(data)
    except ValueError as error:
        raise BodyError(str(error)) from error
    if not isinstance(value, dict):
        raise BodyError("no object")
    return value


@target(
    "lab-toml", ConfigError, parsers=("vmlab.lab.lab:parse_lab", "vmlab.lab.toml_errors:parse_toml")
)
def lab_toml(data: bytes) -> None:
    lab = parse_lab(data.decode("utf-8", "replace"), Path("/lab/lab.toml"))
    check(lab.volume_mib > 0, lab)
    check_text(lab.hub.url, *lab.accounts.names())
    rules = group_rules(lab)  # too small a volume for everybody's files is one more mistake
    desk = MachineSpec(machine_name("ada"), "ada", "desk", 512, 1, internet=False, volume=None)
    members = make_group(rules, desk, 1 if rules.network else 0).members
    names = [member.spec.name for member in members]
    check(len(set(names)) == len(names), f"two machines of one name: {names}")
    cards = [member.spec.card for member in members if member.spec.card]
    check(len({card.address for card in cards}) == len(cards), "two machines of one address")
    check(len(cards) == (len(members) if rules.network else 0), "a machine without a card")
    check(sum(map(len, rules.layers)) == len(members), "a machine that never starts")
    check_text(*names, *(name for card in cards for name in (*card.names, *card.own_names)))


@target("hub-url", parsers=("vmlab.lab.origins:url_problem", "vmlab.lab.origins:machine_hosts",
                            "vmlab.lab.origins:plain_url"), most_bytes=1024)  # fmt: skip
def hub_url(data: bytes) -> None:
    """The hub's own URL, which goes into headers, certificates and policies of its pages."""
    url = data.decode("utf-8", "replace")
    for one_origin in (True, False):
        if not url_problem(url, one_origin=one_origin):
            check(re.fullmatch(r"[!-~]+", url) is not None, url)
            check_text(*machine_hosts(("ada",), url))
            plain = plain_url(url)
            check(plain_url(plain) == plain, plain)
            check(not url_problem(plain, one_origin=one_origin), plain)


@target("toml-lines", ConfigError, parsers=("vmlab.lab.toml_lines:find_lines",))
def toml_lines(data: bytes) -> None:
    """Every key of a valid file has its line."""
    file = parse_toml(data.decode("utf-8", "replace"), "x.toml")
    most = data.count(b"\n") + 1
    todo: list[tuple[tuple[str, ...], Any]] = [((key,), value) for key, value in file.data.items()]
    while todo:
        path, value = todo.pop()
        check(path in file._lines, f"{path} has no line")
        check(1 <= file.line(path) <= most, path)
        if isinstance(value, dict):
            todo += [((*path, key), inner) for key, inner in value.items()]


@target("hub-log", parsers=("vmlab.cli.log:select",))
def hub_log(data: bytes) -> None:
    """What is there may be anybody's words; each line is shown once at most, in its order."""
    lines = data.decode("utf-8", "replace").split("\n")
    shown = iter(lines)
    check(all(line in shown for line in select(lines, "ada", 1.0)), "other lines, or another order")
    check(list(select(lines, None, -math.inf)) == lines, "without a wish all are shown")


@target("recipe-toml", ConfigError, parsers=("vmlab.images.recipe:read_recipe",))
def recipe_toml(data: bytes) -> None:
    recipe = read_recipe(parse_toml(data.decode("utf-8", "replace"), "/recipes/desk/recipe.toml"))
    check(recipe.name == "desk", recipe)


@target("lock-file", ConfigError, parsers=("vmlab.images.wheels:parse_lock",))
def lock_file(data: bytes) -> None:
    for pin in parse_lock(Path("requirements.lock"), data.decode("utf-8", "replace")):
        check(len(pin.hashes) > 0, pin)


@target("passwords", ConfigError, parsers=("vmlab.people.accounts:read_passwords",))
def passwords(data: bytes) -> None:
    path = scratch("accounts") / "passwords.toml"
    path.write_bytes(data)
    found = read_passwords(path)
    path.write_text(format_passwords(found))
    check(read_passwords(path) == found, "not the same after writing")


@target("apt-sources", HostError, parsers=(
    "vmlab.images.mirrors:parse_deb822", "vmlab.images.mirrors:parse_one_line",
    "vmlab.images.mirrors:choose_mirrors"))  # fmt: skip
def apt_sources(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    sources = [*parse_deb822(text), *parse_one_line(text)]
    mirrors = choose_mirrors(sources, parse_apt_options(text))
    mirrors.source_lines("trixie")
    for line in mirrors.source_lines("trixie", public=True):
        check("@" not in urlsplit(line.split()[2]).netloc, "a password")


@target("bench-result", ConfigError, parsers=("vmlab.bench.facts:parse_json",))
def bench_result(data: bytes) -> None:
    try:
        value = load_json(data)
    except ValueError:
        return
    json.dumps(make_json(parse_json(value, "start.json")))


@target("cli-file", HostError, parsers=("vmlab.hub.access:read_cli_access",))
def cli_file(data: bytes) -> None:
    state = scratch("state")
    (state / "cli.json").write_bytes(data)
    access = find_access(Paths(state, state))
    (access.api_url + access.token).encode()


@target("loop-watch", ValueError, parsers=("vmlab.hub.loop_watch:read_blocks",))
def loop_watch(data: bytes) -> None:
    path = scratch("watch") / "blocks.jsonl"
    path.write_bytes(data)
    worst(read_blocks(path))


@target("hub-lock", parsers=("vmlab.hub.lock:last_holder",))
def hub_lock(data: bytes) -> None:
    state = scratch("lock")
    paths = Paths(state, state)
    lock_path(paths).write_bytes(data)
    last_holder(paths)


@target("job-states", HostError, parsers=("vmlab.system.job_states:read_jobs",))
def job_states(data: bytes) -> None:
    """What the hub has written of its jobs, for the command line."""
    state = scratch("jobs")
    jobs_path(state).write_bytes(data)
    read_jobs(state)


@target("hub-hello", parsers=("vmlab.hub.hello:read_heard",))
def hub_hello(data: bytes) -> None:
    """What somebody answers at the hub's URL."""
    heard = read_heard(data)
    if heard is not None:
        repr(heard).encode()


@target("lock-note", parsers=("vmlab.volumes.locks:_read_note",))
def lock_note(data: bytes) -> None:
    """What the holder of a volume's lock has written into it."""
    folder = scratch("locks")
    path = folder / "home-ada.lock"
    path.write_bytes(data)

    async def hold() -> None:
        async with hold_volume(folder, "home-ada", "a test"):
            raise Broken("two hold the same lock")

    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            loop().run_until_complete(hold())
        except VolumeConflictError as error:
            error.message.encode()


@target("json", ValueError, parsers=(
    "vmlab_protocol.outside:load_json", "narval.outside:load_json"))  # fmt: skip
def json_texts(data: bytes) -> None:
    """What is read can be rewritten, and VMLab and the acquisition read the same."""
    answers = []
    for read in (load_json, acquisition_json):
        try:
            answers.append(json.dumps(read(data), allow_nan=False, ensure_ascii=False).encode())
        except ValueError as error:
            answers.append(str(error).encode())
    check(len(set(answers)) == 1, answers)
    check(load_json(answers[0]) == load_json(data), "not the same after writing")


@target("break-file", HostError, parsers=("vmlab.upkeep.idle.break_file:read_break",))
def break_file(data: bytes) -> None:
    state = scratch("idle")
    break_path(state).write_bytes(data)
    read_break(state).is_on(0.0)


@target(
    "break-until", ConfigError, parsers=("vmlab.upkeep.idle.break_file:parse_until",), most_bytes=64
)
def break_until(data: bytes) -> None:
    declare_break(scratch("breaks"), parse_until(_text(data), NOW), NOW.timestamp())


@target("idle-body", BodyError, ConfigError, parsers=(
    f"{_BODIES}:parse_break", "vmlab.upkeep.idle.break_file:declare_break"))  # fmt: skip
def idle_body(data: bytes) -> None:
    state = scratch("break-body")
    declared = declare_break(state, parse_break(_object(data)), 1e9)
    check(read_break(state) == declared, declared)


@target("receipt-body", BodyError, parsers=(f"{_BODIES}:parse_receipt",))
def receipt_body(data: bytes) -> None:
    said = parse_receipt(_object(data))
    check(0 < said.version < 2**31, said)
    for path in said.kept:
        check(".." not in path.split("/") and not path.startswith("/"), path)
        path.encode()


@target("progress-body", BodyError, parsers=(f"{_BODIES}:parse_progress",))
def progress_body(data: bytes) -> None:
    said = parse_progress(_object(data))
    check_text(said.course, said.exercise, said.step)


@target("renew-body", BodyError, parsers=(f"{_BODIES}:parse_renewal",))
def renew_body(data: bytes) -> None:
    parse_renewal(_object(data))


@target("language-body", BodyError, parsers=(f"{_BODIES}:parse_language",))
def language_body(data: bytes) -> None:
    check(parse_language(_object(data)) in {"en", "fr"}, data)


@target("names", parsers=("vmlab.names:machine_name",), most_bytes=1024)
def names(data: bytes) -> None:
    user, _, server = _text(data).partition("\n")
    for name in (machine_name(user, server), volume_name(user, server), host_name(user)):
        check(re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name) is not None and len(name) <= 40, name)
    check(is_volume_name(volume_name(user, server)), name)


@target("volume-names", parsers=(
    "vmlab_protocol.snapshots:parse_snapshot_id", "vmlab.volumes.model:parse_quarantine_name"),
    most_bytes=1024)  # fmt: skip
def volume_names(data: bytes) -> None:
    text = _text(data)
    if parsed := parse_snapshot_id(text):
        check(make_snapshot_id(*parsed) == text, text)
        check_text(text)
    if quarantined := parse_quarantine_name(text):
        check(make_quarantine_name(*quarantined) == text, text)
    check(not is_volume_name(text) or "/" not in text, text)
