"""The acquisition: what travels between its programs, and what its users write."""

from __future__ import annotations

import asyncio
import json
import logging
import select
import socket

from fuzz.target import check, check_text, loop, open_nowhere, scratch, target
from narval.actors.refusals import find_refusals
from narval.client import read_status
from narval.config import parse_address
from narval.control.central_log import CentralLog
from narval.control.log_record import read_record
from narval.control.naming import NamingService, read_entry
from narval.control.peer import Peer
from narval.control.wire import decode, encode
from narval.errors import NarvalError
from narval.links.tcp import accept_readers, listen
from narval.links.waiting import Bell
from narval.plugins.plugin import Parameter
from narval.runs import end_run, list_runs, read_run
from narval.shell.answers import Answer, Message, error_answer, format_answer
from narval.shell.client import read_reply
from narval.shell.grammar import parse_command
from narval.shell.lines import fill_in
from narval.shell.plain import format_plainly
from narval.shell.proofs import Gate, make_authorization, read_words
from narval.topology.model import LogLevel
from narval.topology.numerals import format_ada_integer, parse_ada_integer
from narval.topology.read import parse_topology
from narval.topology.write import format_topology

_PARAMETERS = (
    Parameter("whole", 5, "", least=0, most=10),
    Parameter("free", 5, ""),
    Parameter("share", 0.5, "", least=0.0),
    Parameter("wanted", True, ""),
    Parameter("file", "", ""),
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@target("control-line", NarvalError, parsers=("narval.control.wire:decode",))
def control_line(data: bytes) -> None:
    message = decode(data)
    check(decode(encode(message)) == message, "another message")


class _Mistakes(logging.Handler):
    """Raises what narval itself calls a mistake of its own: a crash that its root has caught."""

    found: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.found = record.exc_info[1]


async def _talk(data: bytes) -> None:
    """Let services hear what somebody says who knows the secret."""
    here = asyncio.get_running_loop()
    log = CentralLog(scratch("log"), LogLevel.DEBUG)
    for greet in (NamingService().greet, log.greet):
        with open_nowhere() as nowhere:
            reader = asyncio.StreamReader(limit=2**20)
            pipe = await here.connect_write_pipe(asyncio.streams.FlowControlMixin, nowhere)
            peer = Peer(reader, asyncio.StreamWriter(*pipe, None, here), {}, "a test")
            greet(peer)
            # A run's folder is written to, wherever it is: not for inputs that are made up.
            peer.handlers = {name: does for name, does in peer.handlers.items() if name != "run"}
            reader.feed_data(data)
            reader.feed_eof()
            peer.begin()
            await peer.closed()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others)
            pipe[0].close()
            await asyncio.sleep(0)  # the loop closes the file in its next turn


@target("control-peer", parsers=(
    "narval.control.peer:Peer._take", "narval.control.naming:read_entry",
    "narval.control.log_record:read_record"))  # fmt: skip
def control_peer(data: bytes) -> None:
    mistakes = _Mistakes()
    logger = logging.getLogger("narval")
    logger.addHandler(mistakes)
    logger.propagate = False
    try:
        loop().run_until_complete(_talk(data))
    finally:
        logger.removeHandler(mistakes)
        logger.propagate = True
    if mistakes.found:
        raise mistakes.found


@target("control-facts", NarvalError, parsers=(
    "narval.control.naming:read_entry", "narval.control.log_record:read_record",
    "narval.client:read_status"))  # fmt: skip
def control_facts(data: bytes) -> None:
    """What a service answers to a client."""
    facts = decode(data)
    problems = []
    for read in (read_entry, read_record, read_status):
        try:
            read(facts)
        except NarvalError as error:  # another kind of facts
            problems.append(error)
    if len(problems) == 3:
        raise problems[0]


@target("naming-file", parsers=("narval.control.naming:NamingService.remember",))
def naming_file(data: bytes) -> None:
    file = scratch("naming") / "naming-1.json"
    file.write_bytes(data)

    async def remember() -> None:
        service = NamingService()
        service.remember(file)

    logging.getLogger("narval").propagate = False
    try:
        loop().run_until_complete(remember())
    finally:
        logging.getLogger("narval").propagate = True


@target("link-hello", NarvalError, parsers=("narval.links.tcp:_read_hello",), most_bytes=8192)
def link_hello(data: bytes) -> None:
    """Anybody can connect to a link's port; a right reader comes afterwards and is served."""
    listener = listen("127.0.0.1", 4096)
    abort = Bell()
    try:
        with socket.create_connection(listener.getsockname()) as stranger:
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            with socket.create_connection(listener.getsockname()) as reader:
                hello = {"reader": "b", "proof": "right"}
                reader.sendall(json.dumps(hello).encode() + b"\n")
                links = accept_readers(listener, {"b": "right"}, abort)
                check(select.select([], [links["b"]], [], 1)[1] != [], "no link")
                links["b"].close()
    finally:
        listener.close()
        abort.close()


@target("topology", NarvalError, parsers=(
    "narval.topology.read:parse_topology", "narval.topology.xml:parse_xml",
    "narval.topology.check:find_mistakes", "narval.actors.refusals:find_refusals",
    "narval.actors.refusals:set_arguments"))  # fmt: skip
def topology(data: bytes) -> None:
    found = parse_topology(data, "topology.xml")
    check(all(line >= 0 and message for line, message in find_refusals(found)), "no message")
    again = parse_topology(format_topology(found).encode(), "again.xml")
    check([a.name for a in again.actors] == [a.name for a in found.actors], "other actors")
    check([a.arguments for a in again.actors] == [a.arguments for a in found.actors], "arguments")


@target("ada-integer", ValueError, parsers=("narval.topology.numerals:parse_ada_integer",),
        most_bytes=256)  # fmt: skip
def ada_integer(data: bytes) -> None:
    value = parse_ada_integer(_text(data))
    check(value < 2**400, value)
    if len(format_ada_integer(value)) <= 40:
        check(parse_ada_integer(format_ada_integer(value)) == value, value)


@target("shell-line", NarvalError, parsers=(
    "narval.shell.grammar:parse_command", "narval.shell.lines:fill_in"))  # fmt: skip
def shell_line(data: bytes) -> None:
    line = fill_in(_text(data), ["tandem", "a b", "'"])
    command = parse_command(line)
    if command is not None:
        said = Answer(line, True, command.values, [Message("x", list(command.values.items()))])
        check(read_reply(format_answer(said), "200").is_ok, "an invalid answer")


@target(
    "shell-reply",
    NarvalError,
    parsers=("narval.shell.client:read_reply", "narval.shell.plain:format_plainly"),
)
def shell_reply(data: bytes) -> None:
    """What a shell server answers, and that any text of ours is an answer."""
    reply = read_reply(format_answer(error_answer("get", _text(data))), "400")
    check(not reply.is_ok, "an invalid error")
    reply = read_reply(_text(data), "200")
    reply.texts("text")
    check_text(*format_plainly(reply).replace("\t", " ").split("\n"))


@target("shell-proof", parsers=("narval.shell.proofs:read_words",
    "narval.shell.proofs:Gate.admit"))  # fmt: skip
def shell_proof(data: bytes) -> None:
    """Headers of anybody: they let nobody in, and do not spoil the way of who has the secret."""
    gate = Gate("5" * 64, lambda: 0.0)
    challenge = read_words(gate.invite())["challenge"]
    header, _, line = _text(data).partition("\n")
    check(gate.admit(header, line, line) is None, "let in without the secret")
    right = make_authorization("5" * 64, challenge, "0" * 64, line, line)
    check(gate.admit(right, line, line) is not None, "the secret is not enough")
    check(gate.admit(right, line, line) is None, "let in twice")


@target("service-address", NarvalError, parsers=("narval.config:parse_address",))
def service_address(data: bytes) -> None:
    address = parse_address(_text(data), 2809)
    check(0 <= address.port <= 65535 and address.host != "", address)


@target("argument", NarvalError, parsers=("narval.plugins.plugin:Parameter.parse",))
def argument(data: bytes) -> None:
    """A value that is set from a topology or the shell; it travels as JSON afterwards."""
    refused = 0
    for parameter in _PARAMETERS:
        try:
            encode({"value": parameter.parse(_text(data))})
        except NarvalError:
            refused += 1
    check(refused < len(_PARAMETERS), "a text is always a text")


@target("run-file", NarvalError, parsers=("narval.runs:read_run", "narval.runs:end_run"))
def run_file(data: bytes) -> None:
    config = scratch("config")
    folder = config / "runs/tandem/run-0001"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.toml").write_bytes(data)
    record = read_run(folder)
    check(record in list_runs(config, "tandem"), "not among the runs")
    check_text(str(record.number))
    ended = end_run(folder)
    check(read_run(folder) == ended, "its end reads differently")
