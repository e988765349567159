"""The shell server, aws_shell: commands by HTTP, answers in XML.

`POST /shell` with one line of text; the acquisition's secret is the bearer token. Where the user
is, for names of files, is given by the header `Narval-Directory`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from narval.client import Access
from narval.config import Address, Port, config_folder, ensure_secret, naming_address
from narval.control.peer import reason_of
from narval.control.proof import is_same
from narval.control.server import PortError
from narval.control.service import (
    LISTENING,
    add_host,
    add_naming,
    log_to_stderr,
    make_parser,
    run_until_stopped,
    say,
)
from narval.shell.answers import OkSpelling, error_answer, format_answer
from narval.shell.execute import Context, execute_line

PROGRAM = "aws_shell"
PATH = "/shell"
DIRECTORY_HEADER = "Narval-Directory"
MOST_BODY_BYTES = 16 * 1024
_BODY_DEADLINE_S = 10.0

logger = logging.getLogger(__name__)


class ShellHandler(RequestHandler):
    """One command."""

    def initialize(self, context: Context, ok: OkSpelling) -> None:
        """Take what the server was started with; tornado calls it."""
        self.context, self.ok = context, ok

    def set_default_headers(self) -> None:
        """Answers are XML, and do not stay anywhere."""
        self.set_header("Content-Type", "application/xml; charset=utf-8")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        """Let only those in who know the secret."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_same(token.strip(), self.context.access.secret):
            logger.warning("a request from %s without the secret", self.request.remote_ip)
            self.set_status(401)
            self.set_header("WWW-Authenticate", "Bearer")
            text = "the acquisition's secret is missing or wrong: it is the bearer token"
            self.finish(format_answer(error_answer("", text), self.ok))

    async def post(self) -> None:
        """Do the command."""
        try:
            line = self.request.body.decode()
        except UnicodeDecodeError:
            self.set_status(400)
            self.finish(format_answer(error_answer("", "a command is text in UTF-8"), self.ok))
            return
        directory = Path(unquote(self.request.headers.get(DIRECTORY_HEADER, "/")))
        context = replace(self.context, directory=directory)
        answer = await execute_line(line.strip(), context)
        self.finish("" if answer is None else format_answer(answer, self.ok))


def serve_shell(at: Address, context: Context, ok: OkSpelling) -> tuple[HTTPServer, int]:
    """Listen; return the server and its port.

    Raises:
        PortError: the port cannot be listened on.
    """
    application = Application(
        [(PATH, ShellHandler, {"context": context, "ok": ok})], log_function=lambda _: None
    )
    server = HTTPServer(
        application,
        max_body_size=MOST_BODY_BYTES,
        max_header_size=MOST_BODY_BYTES,
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
