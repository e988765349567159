"""The programs as processes: what a trainee types, and what happens when one of them ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import termios
import threading
import time
import xml.etree.ElementTree as ET
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acquisition.programs import SOURCES, chain, command, is_running, kill, run, service, until
from narval.client import Access, SyncSubSystem
from narval.config import ensure_secret, read_secret
from narval.control.naming import Kind
from narval.control.registration import list_entries
from narval.errors import NarvalError
from narval.shell.proofs import Gate, make_authorization, read_words
from narval.states import State


@pytest.fixture
def naming(acquisition_folder, monkeypatch):
    """A naming service; others find it by the environment."""
    with service("narval_naming_service", "--port", "0") as process:
        monkeypatch.setenv("NARVAL_NAMING_SERVICE", f"127.0.0.1:{process.port}")
        yield process


@pytest.fixture
def shell(naming, monkeypatch, acquisition_folder):
    """The shell server; ends the coordinators that were launched through it."""
    words = ("--aws_server_port", "0", "--automatic-script-loading", "true")
    with service("aws_shell", *words) as process:
        monkeypatch.setenv("NARVAL_SHELL", f"127.0.0.1:{process.port}")
        try:
            yield process
        finally:
            access = Access.default()
            entries = asyncio.run(list_entries(access.naming, access.secret, Kind.SUB_SYSTEM))
            for entry in entries:  # they go on without the shell server, on purpose
                kill(entry.pid, signal.SIGTERM)
            asyncio.run(until(lambda: not any(is_running(entry.pid) for entry in entries)))


@pytest.fixture
def topology(tmp_path):
    file = tmp_path / "chain.xml"
    file.write_text(chain())
    return file


def texts(answer: str, element: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(answer).iter(element)]


def do(*words: str, **more) -> str:
    """A command of the shell that must be done; gives its answer, XML."""
    done = run("narval_shell", "--xml", *words, **more)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def post(port: int, body: bytes, headers: dict[str, str]):
    link = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        link.request("POST", "/shell", body, headers)
        response = link.getresponse()
        return response.status, response.read().decode()
    finally:
        link.close()


def test_a_trainees_first_steps(shell, topology, acquisition_folder, tmp_path):
    answer = ET.fromstring(do("launch", "toto", "localhost", "local"))
    assert answer.attrib == {"cmd": "launch", "status": "OK", "sub_system_name": "toto"}
    assert texts(do("get", "sub_systems"), "sub_system") == ["toto"]
    do("set", "configuration_file", "chain.xml", "toto", cwd=tmp_path)
    for action in ("configure", "load", "initialise", "start"):
        do("set", "action", action, "toto")
    assert texts(do("get", "actors", "toto"), "actor") == ["writer", "copier", "reader"]
    assert texts(do("get", "state", "toto"), "value") == ["Running"]
    refused = run("narval_shell", "--xml", "set", "action", "load", "toto")
    assert refused.returncode == 1
    assert texts(refused.stdout, "text") == [
        "load is not allowed in state Running; allowed: stop, pause"
    ]
    again = run("narval_shell", "launch", "toto", "localhost", "local")
    assert again.returncode == 1
    assert "'toto' is taken" in again.stderr
    do("set", "rate", "-5", "toto", "writer")
    assert texts(do("get", "rate", "toto", "writer"), "value") == ["-5"]
    absent = run("narval_shell", "set", "library", "absent.so", "toto", "writer")
    assert "there is no file 'absent.so' in " in absent.stderr
    do("set", "library", "/nowhere/on/this/host.so", "toto", "writer")
    assert "library" in texts(do("get", "arguments", "toto", "writer"), "argument")
    do("set", "action", "stop", "toto")


def test_the_shell_answers_people_in_words(shell, topology, tmp_path):
    told = []
    for words in (
        "launch toto localhost", "set configuration_file chain.xml toto",
        "set action configure toto", "get actors toto", "get state toto",
        "set rate 5 toto writer", "get rate toto writer", "help launch",
    ):  # fmt: skip
        done = run("narval_shell", *words.split(), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        told.append(done.stdout.rstrip("\n"))
    assert told[:-1] == [
        "toto: done", f"toto: configuration_file {topology}",
        "toto: action configure, state Configured", "writer\ncopier\nreader", "Configured",
        "toto writer: done", "5",
    ]  # fmt: skip
    assert re.search(r"\nlaunch sub_system_name host_name local  +the same, without", told[-1])
    refused = run("narval_shell", "set", "action", "start", "toto")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("narval_shell: start is not allowed in state Configured")
    misused = run("narval_shell", "get")
    assert "get is not used like this\nget sub_systems  " in misused.stderr


def test_scripts_by_hand_and_by_the_topologys_name(shell, topology, tmp_path):
    script = tmp_path / "chain.narval"
    script.write_text("# as the wiki has it\nset action configure $1\nset action load $1\n")
    do("launch", "toto", "localhost")
    answer = ET.fromstring(do("set", "configuration_file", str(topology), "toto"))
    assert answer.get("script") == str(script)
    assert texts(do("get", "state", "toto"), "value") == ["Loaded"]
    script.write_text("get state $1\nset action load $1\nget sub_systems\n")
    failed = run("narval_shell", "-f", str(script), "toto")
    assert failed.returncode == 1
    assert f"{script}:2: failed, and all after it: set action" in failed.stderr
    assert "sub_systems" not in failed.stdout
    fewer = run("narval_shell", "-f", str(script))
    assert "uses $1, but was given 0 parameters" in fewer.stderr
    piped = run("narval_shell", input="get state toto\nexit\nget nonsense\n")
    assert (piped.returncode, piped.stdout) == (0, "Loaded\n")


@contextlib.contextmanager
def overheard(port: int):
    """A way to a port on which all is overheard; gives its own port, and what was sent each way."""
    said = {"there": bytearray(), "back": bytearray()}

    def copy(source: socket.socket, target: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                said[way] += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def pass_on(link: socket.socket) -> None:
        with link, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=copy, args=(server, link, "back"), daemon=True)
            back.start()
            copy(link, server, "there")
            back.join()

    def take(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                threading.Thread(target=pass_on, args=(link,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=take, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], said
        listener.shutdown(socket.SHUT_RDWR)


def test_the_shells_http_does_not_carry_the_secret_and_cannot_be_used_again(
    shell, acquisition_folder
):
    secret = read_secret(acquisition_folder)
    with overheard(shell.port) as (port, said):
        done = run("narval_shell", "--server", f"127.0.0.1:{port}", "help", "get")
    assert done.returncode == 0, done.stderr
    assert b"help get" in said["there"]
    for way in said.values():
        assert secret.encode() not in way
    head, _, body = bytes(said["there"]).rpartition(b"POST /shell")[2].partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    headers = dict(lines)
    assert "proof=" in headers["Authorization"]
    assert post(shell.port, body, headers)[0] == 401, "each challenge is for one command"


def test_the_shell_server_lets_nobody_in_without_the_secret(shell, acquisition_folder):
    secret = read_secret(acquisition_folder)
    assert post(shell.port, b"help", {})[0] == 401
    for words in (f"Bearer {secret}", f"Basic {secret}", f"Narval {secret}", "Narval", "\u00e9"):
        assert post(shell.port, b"help", {"Authorization": words})[0] == 401

    def ask(body: bytes, secret: str = secret, sent: bytes | None = None):
        with contextlib.closing(HTTPConnection("127.0.0.1", shell.port, timeout=60)) as link:
            link.request("GET", "/shell")
            answer = link.getresponse()
            answer.read()
            challenge = read_words(answer.getheader("WWW-Authenticate", ""))["challenge"]
        line = body.decode(errors="surrogateescape")
        words = make_authorization(secret, challenge, "0" * 64, "/", line)
        headers = {"Authorization": words, "Narval-Directory": "/"}
        return post(shell.port, body if sent is None else sent, headers)

    assert ask(b"help get")[0] == 200
    assert ask(b"help get", "6" * 64)[0] == 401
    assert ask(b"help get", sent=b"help set")[0] == 401, "the proof is for the command"
    assert ask(b"\xff")[0] == 400
    assert "at most 4096 characters" in ask(b"get " + b"x" * 5000)[1]
    with contextlib.suppress(OSError):  # closed while we were still sending
        assert ask(b"x" * 20_000)[0] in {400, 413}
    assert ask(b"help")[0] == 200


def test_an_impostor_of_the_shell_server_is_not_believed(shell, acquisition_folder, tmp_path):
    mine = tmp_path / "mine"
    ensure_secret(mine)
    refused = run("narval_shell", "help", env={**os.environ, "NARVAL_CONFIG": str(mine)})
    assert (refused.returncode, "does not take this secret" in refused.stderr) == (1, True)
    gate = Gate("0" * 64)

    class Impostor(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(401)
            self.send_header("WWW-Authenticate", gate.invite())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            text = b'<result cmd="help" status="OK"></result>'
            self.send_response(200)
            self.send_header("Narval-Proof", "0" * 64)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run("narval_shell", "--server", f"127.0.0.1:{server.server_port}", "help")
        server.shutdown()
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not know the secret" in done.stderr


def test_quoted_commands_and_several_at_once(shell, topology):
    done = run("narval_shell", f"launch toto localhost; set configuration_file '{topology}' toto")
    told = f"toto: done\ntoto: configuration_file {topology}\n"
    assert (done.returncode, done.stdout) == (0, told), done.stderr
    assert texts(do("get state toto"), "value") == ["Initial"]
    failed = run("narval", "shell", "configure toto; get state toto")
    assert failed.returncode == 1
    assert "did you mean: set action configure SUB_SYSTEM_NAME?" in failed.stderr
    assert "command:1: failed, and all after it: configure toto" in failed.stderr
    assert failed.stdout == ""
    piped = run("narval_shell", "--xml", input="get state toto; exit; get nonsense\n")
    assert (piped.returncode, piped.stdout.count("<result")) == (0, 1)


def test_ports_in_use_and_missing_services_are_told(naming, acquisition_folder):
    for program, option in (
        ("narval_naming_service", "--port"),
        ("central_log", "--port"),
        ("aws_shell", "--aws_server_port"),
    ):
        failed = run(program, option, str(naming.port))
        assert failed.returncode == 1
        assert f"port {naming.port} of 127.0.0.1 cannot be listened on" in failed.stderr
        assert "Traceback" not in failed.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
        where = ("--naming_service", nobody, "--naming_wait")
        for words in (("narval_coordinator", "toto"), ("central_log", "--port", "0")):
            failed = run(*words, *where, "0.2")
            assert (failed.returncode, "start narval_naming_service" in failed.stderr) == (1, True)
            assert "'for ever' is not a number of seconds" in run(*words, *where, "for ever").stderr
        failed = run("narval_shell", "--server", nobody, "get", "sub_systems")
        assert (failed.returncode, "start aws_shell" in failed.stderr) == (1, True)
    assert run("narval_coordinator", "../toto").returncode == 1


def test_a_service_that_waits_for_the_naming_service_can_be_stopped(acquisition_folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = ("--naming_service", f"127.0.0.1:{free.getsockname()[1]}", "--naming_wait", "3600")
        with subprocess.Popen(
            command("central_log", "--port", "0", *where), stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            assert "waits up to 3600 s" in process.stderr.readline()
            process.terminate()
            assert (process.wait(30), process.stderr.read()) == (0, "")


def test_the_secret_is_made_once_and_must_be_private(acquisition_folder):
    secret = ensure_secret(acquisition_folder)
    assert ensure_secret(acquisition_folder) == secret
    file = acquisition_folder / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(acquisition_folder.stat().st_mode) == 0o700
    file.chmod(0o644)
    with pytest.raises(NarvalError, match="can be read by others: chmod 600"):
        read_secret(acquisition_folder)
    file.chmod(0o600)
    file.write_text("short\n")
    with pytest.raises(NarvalError, match="holds no secret"):
        read_secret(acquisition_folder)


def test_a_killed_coordinators_actors_end_and_its_name_is_free(naming, topology):
    with service("narval_coordinator", "toto", "--configuration_file", str(topology)) as first:
        toto = SyncSubSystem.find("toto")
        for action in ("configure", "load", "initialise", "start"):
            toto.act(action)
        pids = [actor["pid"] for actor in toto.status().actors]
        kill(first.pid)
        asyncio.run(until(lambda: not any(map(is_running, pids))))
    with pytest.raises(NarvalError, match=r"there is no 'toto'|has ended|cannot be reached"):
        toto.status()
    with service("narval_coordinator", "toto", "--configuration_file", str(topology)) as second:
        assert toto.status().state is State.INITIAL
        toto.act("configure")
        pids = [actor["pid"] for actor in toto.status().actors]
        second.terminate()
        assert second.wait(timeout=60) == 0
        assert not any(map(is_running, pids))


def test_the_naming_service_can_be_restarted(naming, topology):
    with service("narval_coordinator", "toto", "--configuration_file", str(topology)) as process:
        toto = SyncSubSystem.find("toto")
        toto.act("configure")
        naming.terminate()
        naming.wait(timeout=60)
        assert toto.status().state is State.CONFIGURED
        assert process.poll() is None
        with service("narval_naming_service", "--port", str(naming.port)):
            again = SyncSubSystem.find("toto")
            assert again.status().state is State.CONFIGURED
            refused = run("narval_coordinator", "toto")
            assert (refused.returncode, "is taken" in refused.stderr) == (1, True)
            assert again.act("unconfigure") is State.INITIAL


def test_narval_run_ends_when_it_is_told(acquisition_folder, topology):
    done = run(
        "narval", "run", str(topology), "--seconds", "0.3", "--naming_service", "127.0.0.1:0"
    )
    assert done.returncode == 0, done.stderr
    assert "chain: Running, run 1; naming service 127.0.0.1:" in done.stdout
    assert "chain: Stopped, run 1" in done.stdout
    assert (acquisition_folder / "runs" / "chain" / "run-0001" / "log.jsonl").exists()
    assert "\x1b" not in done.stdout


def test_each_narval_run_has_its_log(acquisition_folder, topology):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    words = ("narval", "run", str(topology), "--seconds", "0.1", "--naming_service", at)
    for number in (1, 2):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        log = acquisition_folder / "runs" / "chain" / f"run-{number:04d}" / "log.jsonl"
        assert f"run {number} begins" in log.read_text()
    assert not list(acquisition_folder.glob("naming-*")), "the names end with those who had them"


def test_narval_run_takes_a_run_number_once(acquisition_folder, topology):
    words = [
        *("narval", "run", str(topology), "--seconds", "0.1"),
        *("--run_number", "42", "--naming_service", "127.0.0.1:0"),
    ]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "chain: Stopped, run 42" in done.stdout
    again = run(*words)
    assert again.returncode == 1
    assert "run_number 42 is already taken" in again.stderr
    assert "is already taken" in again.stderr
    assert "Traceback" not in again.stderr


def test_narval_run_ends_by_control_c_and_joins_a_naming_service(naming, topology):
    process = subprocess.Popen(
        command("narval", "run", str(topology)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "Running" in process.stdout.readline()
    chain_ = SyncSubSystem.find("chain")
    pids = [actor["pid"] for actor in chain_.status().actors]
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert "chain: Stopped" in out
    assert not any(map(is_running, pids))


def test_narval_run_fails_where_an_actor_dies(naming, topology):
    process = subprocess.Popen(
        command("narval", "run", str(topology), "--seconds", "60"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "Running" in process.stdout.readline()
    kill(next(a["pid"] for a in SyncSubSystem.find("chain").status().actors))
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "writer: killed by SIGKILL" in error


def test_narval_topology(acquisition_folder, tmp_path, topology):
    checked = run("narval", "topology", "check", str(topology))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "3 actors, 2 links, no mistakes" in checked.stdout
    converted = tmp_path / "new.xml"
    assert run("narval", "topology", "convert", str(topology), "-o", str(converted)).returncode == 0
    assert run("narval", "topology", "check", str(converted)).returncode == 0
    drawn = run("narval", "topology", "draw", str(topology))
    assert drawn.returncode == 0, drawn.stderr
    assert ET.fromstring(drawn.stdout).tag.endswith("svg")
    topology.write_text(chain().replace("fifo", "fife"))
    failed = run("narval", "topology", "check", str(topology))
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"{topology}:")
    assert run("narval", "topology", "check", str(tmp_path / "absent.xml")).returncode == 1


def test_help_is_enough_to_begin_and_importing_it_imports_little(acquisition_folder):
    done = run("narval", "--help")
    assert done.returncode == 0
    for word in ("narval run", "topology check", "narval_shell", "set action configure", "bench"):
        assert word in done.stdout
    code = (
        "import sys, narval.coordinator.program, narval.cli.run, narval.shell.program\n"
        "print([m for m in ('numpy', 'tornado', 'prompt_toolkit', 'IPython') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [*command("narval")[:1], "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )  # fmt: skip
    assert loaded.stdout.strip() == "[]"


def test_fifty_actors_start(naming, tmp_path):
    readers = "".join(
        f"<consumer><name>reader{i}</name><hostname>localhost</hostname>"
        "<binary_code>generic_consumer</binary_code>"
        '<data_source source_port="fifo" source_buffer="data">writer</data_source></consumer>'
        for i in range(49)
    )
    file = tmp_path / "fifty.xml"
    file.write_text(
        "<configuration><producer><name>writer</name><hostname>localhost</hostname>"
        "<binary_code>generic_producer</binary_code><output_buffer_name>data</output_buffer_name>"
        '<size output_buffer="data">1_000</size><port output_buffer="data">fifo</port>'
        f"</producer>{readers}</configuration>"
    )
    with service("narval_coordinator", "fifty", "--configuration_file", str(file)):
        fifty = SyncSubSystem.find("fifty", Access.default())
        for action in ("configure", "load", "initialise", "start"):
            fifty.act(action)
        assert len({actor["pid"] for actor in fifty.status().actors}) == 50
        fifty.act("stop")
        fifty.close()


def read_until(terminal: int, text: str, seconds: float = 30.0) -> str:
    """Read from a terminal until a text is there."""
    seen = ""
    deadline = time.monotonic() + seconds
    while text not in seen:
        left = deadline - time.monotonic()
        assert left > 0, (text, seen)
        if select.select([terminal], [], [], left)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


@contextlib.contextmanager
def on_terminal(theirs: int, program: str, *words: str):
    """A program on a terminal; ended if the test has not ended it."""
    process = subprocess.Popen(command(program, *words), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=60)


@pytest.fixture
def terminal():
    """A terminal: our end, and the programs'."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    yield ours, theirs
    os.close(ours)


def test_the_prompt_answers_completes_and_remembers(shell, terminal, acquisition_folder):
    ours, theirs = terminal
    with on_terminal(theirs, "narval_shell") as process:
        read_until(ours, "narval>")
        os.write(ours, b"get sub_s\t")
        read_until(ours, "ystems")
        os.write(ours, b"\r")
        read_until(ours, "there are no sub_systems")
        os.write(ours, b"exit\r")
        assert process.wait(timeout=60) == 0
    assert "+get sub_systems" in (acquisition_folder / "shell_history").read_text()


def test_narval_run_shows_rates_on_a_terminal(naming, terminal, topology):
    ours, theirs = terminal
    with on_terminal(theirs, "narval", "run", str(topology)) as process:
        assert "copier" in read_until(ours, "Ctrl-C ends the run")
        process.send_signal(signal.SIGINT)
        read_until(ours, "chain: Stopped")
        assert process.wait(timeout=60) == 0
