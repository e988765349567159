"""The zygote as a real process that forks: what it runs is a small server instead of Jupyter's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from vmlab_guest.server_request import Word, dump_request
from vmlab_guest.trouble import read_trouble
from vmlab_guest.zygote import end_processes
from vmlab_protocol.messages import ServerTrouble

PROGRAM = """
import os, sys, time
from pathlib import Path
from vmlab_guest import attempts, zygote
folder = Path(sys.argv[1])

def serve(env, args):
    '''Be a server that tells what it is and ends as it is told.'''
    with (folder / "servers").open("a") as stream:
        print(os.getpid(), env.get("NAME"), *args, file=stream, flush=True)
    if "end" in env and not (env["end"] == "settings" and "JUPYTER_CONFIG_DIR" in env):
        return 1 if env["end"] == "settings" else int(env["end"])
    (folder / "runtime").mkdir(exist_ok=True)
    (folder / "runtime/jpserver-1.json").touch()
    if "leave" in env:
        time.sleep(1)
        return int(env["leave"])
    while True:
        time.sleep(60)

zygote.run_server, zygote.become_trainee = serve, lambda: None
zygote.make_environment = lambda env: env
zygote.RUNTIME = folder / "runtime"
attempts._RESTART_FIRST_S = 0.05
attempts.open_home = lambda: False
attempts.read_last_words = lambda: "no such folder: /home/trainee/analyse"
attempts.name_settings = lambda: ["~/.jupyter/jupyter_server_config.py"]
attempts.tell_trainee = lambda notice: (folder / "told").write_text(notice.en)
zygote.os.chown = lambda *words: None
# Also of a server that was forked just now and has written nothing yet.
zygote.list_companions = lambda: [
    int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
]
made = zygote.Zygote(folder, folder / "request")
made.open()
print("open", flush=True)
sys.exit(made.serve()())
"""


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"open\n"

    def request(self, *args: str, **env: str) -> None:
        path = self.folder / "request.new"
        path.write_text(dump_request(env, args))
        path.replace(self.folder / "request")

    def say(self, word: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(20)
            connection.connect(str(self.folder / "control"))
            connection.send(word.encode())
            return connection.recv(1000).decode()

    def state(self) -> str:
        return (self.folder / "state").read_text()

    def trouble(self) -> ServerTrouble | None:
        return read_trouble(self.folder / "trouble.json")

    def servers(self, count: int) -> list[list[str]]:
        """Return pid, name and arguments of all servers so far, once there are so many."""
        path = self.folder / "servers"
        wait_until(lambda: path.exists() and path.read_text().count("\n") >= count)
        return [line.split() for line in path.read_text().splitlines()]

    def close(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


def is_alive(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_nothing_runs_until_there_is_a_request(desk: Desk) -> None:
    desk.start()
    assert desk.say(Word.LAUNCH) == "ok"
    assert desk.state() == "stopped"
    desk.request("--x", NAME="ada")
    assert desk.say(Word.LAUNCH) == "ok"
    (server,) = desk.servers(1)
    assert server[1:] == ["ada", "--x"]
    wait_until(lambda: desk.state() == "running")
    assert oct((desk.folder / "control").stat().st_mode)[-3:] == "600"


def test_the_same_request_again_changes_nothing_and_another_respawns(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada")
    desk.say(Word.LAUNCH)
    old = desk.servers(1)[0][0]
    desk.say(Word.LAUNCH)
    (desk.folder / "runtime/jupyter_cookie_secret").write_text("of the old one")
    desk.request(NAME="ada", TOKEN="another")
    desk.say(Word.LAUNCH)
    servers = desk.servers(2)
    assert [s[1] for s in servers] == ["ada", "ada"]
    assert not is_alive(old)
    assert is_alive(servers[1][0])
    wait_until(lambda: [p.name for p in (desk.folder / "runtime").iterdir()] == ["jpserver-1.json"])


def test_a_server_that_failed_is_started_again(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada")
    desk.say(Word.LAUNCH)
    os.kill(int(desk.servers(1)[0][0]), signal.SIGKILL)
    assert len(desk.servers(2)) == 2
    wait_until(lambda: desk.state() == "running")


def test_a_server_that_ended_by_itself_stays_so(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada", leave="0")
    desk.say(Word.LAUNCH)
    wait_until(lambda: desk.state() == "stopped")
    assert len(desk.servers(1)) == 1


@pytest.mark.parametrize("code", ["0", "1", "3"])
def test_a_server_that_never_serves_is_noted_and_tried_again(desk: Desk, code: str) -> None:
    desk.start()
    desk.request(NAME="ada", end=code)
    desk.say(Word.LAUNCH)
    desk.servers(3)
    wait_until(lambda: (found := desk.trouble()) is not None and found.ends >= 3)
    trouble = desk.trouble()
    assert trouble is not None
    assert trouble.is_plain
    assert trouble.line == "no such folder: /home/trainee/analyse"


def test_after_two_ends_it_is_started_without_the_trainee_s_settings(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada", end="settings")
    desk.say(Word.LAUNCH)
    first, second, third = desk.servers(3)
    assert first[1:] == second[1:] == ["ada"]
    assert any(word.startswith("--LabApp.user_settings_dir=") for word in third[2:])
    wait_until(lambda: desk.state() == "running")
    trouble = desk.trouble()
    assert trouble is not None
    assert (trouble.ends, trouble.is_plain) == (2, True)
    told = (desk.folder / "told").read_text()
    assert "no such folder: /home/trainee/analyse" in told
    assert "~/.jupyter/jupyter_server_config.py" in told
    # Another seed: the settings have their chance again, and nothing is said of the last time.
    desk.request(NAME="ada", TOKEN="another")
    desk.say(Word.LAUNCH)
    assert desk.servers(4)[3][1:] == ["ada"]
    wait_until(lambda: desk.trouble() is None)


def test_one_end_before_it_serves_is_forgotten_when_it_does(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada")
    desk.say(Word.LAUNCH)
    desk.servers(1)
    (desk.folder / "trouble.json").write_text("of an older server")
    desk.request(NAME="ada", TOKEN="another")
    desk.say(Word.LAUNCH)
    desk.servers(2)
    wait_until(lambda: desk.trouble() is None and desk.state() == "running")


def test_a_zygote_that_comes_back_takes_up_the_request(desk: Desk) -> None:
    desk.request(NAME="ada")
    desk.start()
    assert desk.servers(1)[0][1] == "ada"
    wait_until(lambda: desk.state() == "running")


def test_a_machine_of_somebody_has_no_dry_run(desk: Desk) -> None:
    desk.start()
    desk.request(NAME="ada")
    assert "somebody" in desk.say(Word.DRY_RUN)


def test_a_word_that_nobody_knows_and_a_caller_that_left(desk: Desk) -> None:
    desk.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(desk.folder / "control"))
    assert desk.say("dance") == "no such word"
    assert desk.say(Word.LAUNCH) == "ok"


def test_who_does_not_end_when_asked_is_killed() -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", stubborn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end_processes(lambda: [process.pid], 0.2)
        assert process.wait() == -signal.SIGKILL
