"""The shell server, aws_shell: commands by HTTP, answers in XML.

`POST /shell` with one line of text, with a proof of the acquisition's secret
(`narval.shell.proofs`). Where the user is, for names of files, is given by the header
`Narval-Directory`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from narval.client import Access
from narval.config import Address, Port, config_folder, ensure_secret, naming_address
from narval.console import program, say
from narval.control.peer import reason_of
from narval.control.server import PortError
from narval.control.service import (
    LISTENING,
    add_host,
    add_naming,
    log_to_stderr,
    make_parser,
    run_until_stopped,
)
from narval.shell.answers import Answer, OkSpelling, error_answer, format_answer
from narval.shell.execute import Context, execute_line
from narval.shell.proofs import DIRECTORY_HEADER, PROOF_HEADER, Gate, prove_answer

PROGRAM = "aws_shell"
PATH = "/shell"
MAX_BODY_BYTES = 16 * 1024
_BODY_DEADLINE_S = 10.0

logger = logging.getLogger(__name__)


class ShellHandler(RequestHandler):
    """One command."""

    def initialize(self, context: Context, ok: OkSpelling, gate: Gate) -> None:
        """Take what the server was started with; tornado calls it."""
        self.context, self.ok, self.gate = context, ok, gate
        self.words: dict[str, str] = {}

    def set_default_headers(self) -> None:
        """Answers are XML, and do not stay anywhere."""
        self.set_header("Content-Type", "application/xml; charset=utf-8")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        """Let only those in who know the secret."""
        header = self.request.headers.get
        line = self.request.body.decode(errors="surrogateescape")
        given = header("Authorization", "")
        words = self.gate.admit(given, header(DIRECTORY_HEADER, ""), line)
        if words is not None:
            self.words = words
            return
        if given:
            logger.warning("a request from %s without proof of the secret", self.request.remote_ip)
        self.set_status(401)
        self.set_header("WWW-Authenticate", self.gate.invite())
        text = "the proof of the acquisition's secret is missing or wrong: use narval_shell"
        self.finish(format_answer(error_answer("", text), self.ok))

    async def post(self) -> None:
        """Do the command."""
        try:
            line = self.request.body.decode()
        except UnicodeDecodeError:
            self.set_status(400)
            self._answer(error_answer("", "a command is text in UTF-8"))
            return
        where = unquote_to_bytes(self.request.headers.get(DIRECTORY_HEADER, "/"))
        context = replace(self.context, directory=Path(os.fsdecode(where)))
        self._answer(await execute_line(line.strip(), context))

    def _answer(self, answer: Answer | None) -> None:
        text = "" if answer is None else format_answer(answer, self.ok)
        self.set_header(PROOF_HEADER, prove_answer(self.context.access.secret, self.words, text))
        self.finish(text)


def serve_shell(at: Address, context: Context, ok: OkSpelling) -> tuple[HTTPServer, int]:
    """Listen; return the server and its port.

    Raises:
        PortError: the port cannot be listened on.
    """
    facts = {"context": context, "ok": ok, "gate": Gate(context.access.secret)}
    application = Application([(PATH, ShellHandler, facts)], log_function=lambda _: None)
    server = HTTPServer(
        application,
        max_body_size=MAX_BODY_BYTES,
        max_header_size=MAX_BODY_BYTES,
        body_timeout=_BODY_DEADLINE_S,
        idle_connection_timeout=60,
    )
    try:
        sockets = bind_sockets(at.port, at.host)
    except OSError as error:
        raise PortError(
            f"port {at.port} of {at.host} cannot be listened on: {reason_of(error)}; "
            "end what uses it, or choose another with --aws_server_port"
        ) from error
    server.add_sockets(sockets)
    return server, sockets[0].getsockname()[1]


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run aws_shell; return its exit code."""
    parser = make_parser(PROGRAM, "Takes the shell's commands by HTTP.")
    add_host(parser)
    add_naming(parser)
    text = "default: 6080"
    parser.add_argument("--aws_server_port", "--port", type=int, default=Port.SHELL, help=text)
    parser.add_argument(
        "--automatic-script-loading",
        choices=("true", "false"),
        default="false",
        help="with set configuration_file X.xml: run the script X.narval next to it, where there "
        "is one; $1 in it is the sub-system",
    )
    spellings = [str(each) for each in OkSpelling]
    text = "how answers write success; default: OK"
    parser.add_argument("--ok", choices=spellings, default=OkSpelling.UPPER, help=text)
    given = parser.parse_args(arguments)
    log_to_stderr(PROGRAM, given.log_level)

    async def work(stop: asyncio.Event) -> int:
        folder = config_folder()
        access = Access(given.naming_service or naming_address(), ensure_secret(folder))
        loads = given.automatic_script_loading == "true"
        context = Context(access, folder, directory=folder, loads_scripts=loads)
        at = Address(given.host, given.aws_server_port)
        server, port = serve_shell(at, context, OkSpelling(given.ok))
        say(f"{LISTENING} {given.host}:{port}")
        await stop.wait()
        server.stop()
        return 0

    return run_until_stopped(PROGRAM, work)
