"""The acquisition stack in a real machine, and its first course played there."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from fakes.waiting import wait_until
from hub.running_hub import PROJECT, RunningHub
from vm.desk import Desk
from vm.test_desk import PATIENCE, play_all, push
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3000)]

EXERCISE = "01-first-acquisition"
STEPS = 9
TEMPLATE = "/opt/vmlab/share/narval/template"
COURSE = PROJECT / "notebooks" / "narval"

# To ssh and TCP another host is another address: here, a network of its own inside the machine.
HERE, OTHER = "10.99.0.1", "10.99.0.2"

NETWORK = f"""set -e
ip netns add other
ip link add to_other type veth peer name eth0 netns other
ip addr add {HERE}/24 dev to_other
ip link set to_other up
ip -n other addr add {OTHER}/24 dev eth0
ip -n other link set eth0 up
ip -n other link set lo up
ip netns exec other /usr/sbin/sshd -o PidFile=none -o ListenAddress={OTHER}
"""
KEYS = f"""set -e
[ -e ~/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
cat ~/.ssh/id_ed25519.pub >> ~/.ssh/authorized_keys
ssh-keyscan -t ed25519 {OTHER} >> ~/.ssh/known_hosts
ssh -o BatchMode=yes {OTHER} narval_actor --help
"""
# The course's own services have the ports, and its actors the memory.
CLEAR = """all() { pgrep -f 'bin/(narval|central_log|aws_shell)|-m narval[.]'; }
all | xargs -r kill
for try in $(seq 300); do all || exit 0; sleep 0.2; done
exit 1
"""
# All at once, the last first, as at a machine's boot; the names of the course's are still kept.
SERVICES = f"""cd ~/far
export NARVAL_NAMING_SERVICE={HERE}:2809
start() {{ setsid "$@" > $1.txt 2>&1 < /dev/null & }}
start central_log --host {HERE}
start aws_shell
start narval_naming_service --host {HERE}
for try in $(seq 300); do
    [ $(grep -l listening *.txt | wc -l) = 3 ] && exit
    sleep 0.2
done
head -n 50 *.txt >&2
exit 1
"""

AT_HOME = f"cd ~/far; export NARVAL_NAMING_SERVICE={HERE}:2809; "


class Shell:
    """narval_shell in the machine: one for all commands, since each start of it takes seconds."""

    def __init__(self, begun: subprocess.Popen[str]) -> None:
        self._begun = begun

    def run(self, *commands: str) -> None:
        for command in commands:
            self._ask(command)

    def get(self, *words: str) -> str:
        """Return the values of an answer, a line each."""
        answer = self._ask(shlex.join(("get", *words)))
        values = (each for message in answer.iter("message") for each in message)
        return "\n".join(each.text or "" for each in values if each.tag != "name")

    def blocks_in(self, sub_system: str) -> int:
        return int(self.get("blocks_in", sub_system, "data_receiver"))

    def _ask(self, command: str) -> Element:
        self._begun.stdin.write(f"{command}\n")
        self._begun.stdin.flush()
        text = ""
        while not text.endswith("</result>\n"):
            line = self._begun.stdout.readline()
            assert line, f"narval_shell ended at {command}, after {text}"
            text += line
        answer = fromstring(text)
        assert answer.get("status") == "OK", f"{command}: {text}"
        return answer


@pytest.fixture(scope="module")
def desk(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    with RunningHub(folder, provider="qemu", cache=cache) as hub:
        push(hub, COURSE)
        made = Desk(hub, "ada", cache)
        made.start()
        yield made
        made.stop()
    shutil.rmtree(folder)


def test_programs_manual_header_and_template_are_there(desk):
    places = f"{TEMPLATE} /opt/vmlab/share/doc/narval-stack"
    told = desk.run(f"bash -lc 'narval --version; man -w narval narval_actors; ls {places}'")
    for word in ("man1/narval.1", "man7/narval_actors.7", "counter.c", "topology.xml", "README.md"):
        assert word in told


@pytest.fixture(scope="module")
def compiled(desk):
    """The folder in which the template's plugins were compiled."""
    desk.run(f"cp -r {TEMPLATE} ~/tp && bash -lc 'cd ~/tp && make'")
    return "~/tp"


def test_a_chain_of_plugins_compiled_here_runs(desk, compiled):
    told = desk.run(
        f"bash -lc 'cd {compiled} && narval run topology.xml --seconds 8 --log_level info 2>&1'"
    )
    assert "*00001*" in told
    assert "data_receiver" in told


@pytest.mark.long  # each run of the suite plays it in processes, and plugins in this machine
def test_every_check_of_the_course_fails_before_and_passes_after(desk):
    wait_until(lambda: EXERCISE in desk.run("ls ~/narval"))
    desk.run("bash -s", stdin=CLEAR.encode())
    where = ("--in", f"narval/{EXERCISE}", *PATIENCE)
    for name in ("exercise", "solution"):
        notebook = (COURSE / EXERCISE / f"{name}.ipynb").read_bytes()
        desk.run(f"cat > /tmp/{name}.ipynb", stdin=notebook)
    plays = [(f"/tmp/{name}.ipynb", *where) for name in ("exercise", "solution")]
    for played, passes in zip(play_all(desk, *plays), (False, True), strict=True):
        told = json.dumps(played, indent=1)
        assert [check["passed"] for check in played["checks"]] == [passes] * STEPS, told
        assert played["errors"] == [] or not passes, told


@pytest.fixture(scope="module")
def two_hosts(desk, compiled):
    """The services here, and another host that is reached by ssh; compiled plugins in ~/far."""
    desk.run("bash -s", stdin=CLEAR.encode())
    desk.run("sudo bash -s", stdin=NETWORK.encode())
    assert "by_ssh" in desk.run("bash -s", stdin=KEYS.encode())
    desk.run(f"cp -r {compiled} ~/far && cd ~/far && sed -i 's,build/,'$PWD'/&,' topology.xml")
    desk.run("bash -s", stdin=SERVICES.encode())
    wait_until(
        lambda: "sub_systems" in desk.run(f"{AT_HOME}narval_shell get sub_systems", check=False)
    )
    with desk.begin(f"{AT_HOME}exec narval_shell --xml") as begun:
        yield Shell(begun)


ENDING = ("stop", "reset_com", "unload", "unconfigure", "finish")


def acts(name: str, *actions: str) -> list[str]:
    return [f"set action {action} {name}" for action in actions]


def test_an_actor_on_another_host_dies_by_a_signal_and_comes_back(desk, two_hosts):
    shell = two_hosts
    desk.run(
        f"cd ~/far && sed '0,/localhost/s//{OTHER}/; s/localhost/{HERE}/; s/fifo/eth0/'"
        " topology.xml > tandem.xml"
    )
    shell.run(f"launch tandem {HERE}", "set configuration_file tandem.xml tandem")
    shell.run(*acts("tandem", "configure", "load", "initialise", "start"))
    wait_until(lambda: shell.blocks_in("tandem") > 2)
    assert OTHER in desk.run("ss -Htn state established")

    remote = desk.run("sudo ip netns pids other")
    (writer,) = desk.run("pgrep -f 'narval_actor .*generic_producer.*by_ssh' -n").split()
    assert writer in remote.split()
    desk.run(f"kill -SEGV {writer}")
    wait_until(lambda: shell.get("state", "tandem") == "Error")
    error = "data_transmitter: killed by SIGSEGV"
    # The signal may also come between two blocks.
    assert shell.get("error", "tandem").removesuffix(" in process_block") == error

    shell.run(*acts("tandem", "reset_com", "initialise", "start"))
    before = shell.blocks_in("tandem")
    wait_until(lambda: shell.blocks_in("tandem") > before)
    shell.run(*acts("tandem", *ENDING))
    ended = "pgrep -f 'narval.actor --config_name tandem '"
    wait_until(lambda: not desk.run(ended, check=False))
    logged = desk.run("cat ~/.narval/runs/tandem/*/log.jsonl")
    assert "*00001*" in logged
    assert "killed by SIGSEGV" in logged


@pytest.mark.long  # in each run an actor is launched there, and a coordinator dies without ssh
def test_a_coordinator_on_another_host_leads_is_killed_and_launched_anew(desk, two_hosts):
    shell = two_hosts
    desk.run(f"cd ~/far && sed 's/localhost/{OTHER}/' topology.xml > led.xml")
    for again in (False, True):
        shell.run(f"launch led {OTHER}", "set configuration_file led.xml led")
        shell.run(*acts("led", "configure", "load", "initialise", "start"))
        wait_until(lambda: shell.blocks_in("led") > 2)
        there = desk.run("sudo ip netns pids other").split()
        (coordinator,) = desk.run("pgrep -f '^[^ ]*python[^ ]* .*narval_coordinator led '").split()
        actors = desk.run("pgrep -f 'narval.actor --config_name led '").split()
        assert len(actors) == 3
        assert {coordinator, *actors} <= set(there)
        if not again:
            desk.run(f"kill -KILL {coordinator}")
            # Its actors end with it, and its name is free.
            wait_until(
                lambda: not desk.run("pgrep -f 'narval.actor --config_name led '", check=False)
            )
            wait_until(lambda: "led" not in shell.get("sub_systems"))
    shell.run(*acts("led", *ENDING))
    wait_until(lambda: not desk.run("pgrep -f narval_coordinator.*led", check=False))
