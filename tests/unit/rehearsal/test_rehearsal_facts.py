"""What is described, what a machine says of itself, and what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import parse_toml
from vmlab.rehearsal.description import (
    Check,
    Copy,
    Description,
    Host,
    Package,
    Playbook,
    Port,
    Relation,
    load_description,
    read_description,
)
from vmlab.rehearsal.differences import Difference, Subject, find_differences
from vmlab.rehearsal.inventory import Found, parse_answer
from vmlab.rehearsal.versions import compare_versions

MACHINES = ("desk", "node1", "node2", "server")

RIGHT = """
[[host]]
machines = ["node1", "node2"]
user_data = "node.yaml"
packages = ["chrony", "gcc >= 4:12", "make = 4.3-4.1"]
services = ["ssh"]
ports = ["tcp/22", "udp/123"]
copy = [{ from = "plugins", to = "/opt/plugins", owner = "trainee" }]

[ansible]
run_from = "node1"
playbook = "site/site.yml"
within = 900

[[check]]
name = "the names resolve"
on = "desk"
command = "getent hosts node1"
user = "trainee"
within = 5
"""


def read(text: str) -> Description:
    file = parse_toml(text, "rehearsal.toml")
    found = read_description(file, Path("/lab"), MACHINES)
    file.finish()
    return found


def test_a_description_is_read():
    host = Host(
        ("node1", "node2"),
        (Copy(Path("/lab/plugins"), "/opt/plugins", "trainee"),),
        Path("/lab/node.yaml"),
        (
            Package("chrony"),
            Package("gcc", Relation.AT_LEAST, "4:12"),
            Package("make", Relation.SAME, "4.3-4.1"),
        ),
        ("ssh",),
        (Port("tcp", 22), Port("udp", 123)),
    )
    found = read(RIGHT)
    assert found.hosts == (host,)
    assert found.playbook == Playbook("node1", Path("/lab/site/site.yml"), 900.0)
    check = Check("the names resolve", "desk", "getent hosts node1", "trainee", 5.0)
    assert found.checks == (check,)
    assert found.of("node2") is found.hosts[0]
    assert found.of("desk") == Host(("desk",))


MISTAKES = [
    ('[[host]]\nmachines = ["nod1"]', "lab.toml has no machine 'nod1'; did you mean 'node1'?"),
    ("[[host]]", "host[1].machines: missing; allowed: desk, node1, node2, server"),
    (
        '[[host]]\nmachines = ["desk"]\n[[host]]\nmachines = ["desk"]',
        "host[2].machines: 'desk' is described twice",
    ),
    ('[[host]]\nmachines = ["desk"]\npackages = ["a > 1"]', "'a > 1' is not allowed; allowed:"),
    ('[[host]]\nmachines = ["desk"]\npackages = ["$(reboot)"]', "'$(reboot)' is not allowed"),
    ('[[host]]\nmachines = ["desk"]\nservices = ["a b"]', "'a b' is not allowed"),
    ('[[host]]\nmachines = ["desk"]\nports = ["22"]', "'22' is not allowed; allowed: \"tcp/22\""),
    ('[[host]]\nmachines = ["desk"]\nports = ["tcp/0"]', "'tcp/0' is not allowed"),
    ('[[host]]\nmachines = ["desk"]\nport = ["tcp/1"]', "unknown key; did you mean 'ports'?"),
    (
        '[[host]]\nmachines = ["desk"]\ncopy = [{ from = "a", to = "b" }]',
        "'b' is not allowed; allowed: a full path",
    ),
    ('[ansible]\nplaybook = "a.yml"', "run_from and playbook belong together"),
    ('[ansible]\nplaybook = "a.yml"\nrun_from = "x"', "lab.toml has no machine 'x'"),
    ('[[check]]\nname = "a"\non = "desk"', "command: missing"),
    ('[[check]]\nname = "a"\ncommand = "true"', "on: missing"),
    ('[[check]]\nname = "a"\non = "desk"\ncommand = "b"\nuser = "-l"', "'-l' is not allowed"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_each_mistake_is_named(text, told):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert told in caught.value.message


def test_where_nothing_is_described_the_machines_are_only_started(tmp_path):
    assert load_description(tmp_path, MACHINES) == Description()


def test_files_that_are_not_there_are_named_all_at_once(tmp_path):
    (tmp_path / "rehearsal.toml").write_text(RIGHT)
    with pytest.raises(ConfigError) as caught:
        load_description(tmp_path, MACHINES)
    for name in ("plugins", "node.yaml", "site/site.yml"):
        assert str(tmp_path / name) in caught.value.message
    for name in ("plugins", "site"):
        (tmp_path / name).mkdir()
    for name in ("node.yaml", "site/site.yml"):
        (tmp_path / name).touch()
    assert load_description(tmp_path, MACHINES).hosts[0].user_data == tmp_path / "node.yaml"


# -- a machine's answer ----------------------------------------------------------------------------

HOST = read(RIGHT).hosts[0]

ANSWER = """\
== ports
tcp/22
udp/68
== packages
gcc ii  4:12.2.0-3
make rc  4.3-4.1
chrony ii  4.5-1
== services
ssh active
== host
name node1.t01
cpus 2
memory 996148
"""


def test_an_answer_is_read():
    assert parse_answer(ANSWER) == Found(
        "node1.t01",
        2,
        972,
        {"gcc": "4:12.2.0-3", "chrony": "4.5-1"},
        {"ssh": "active"},
        frozenset({"tcp/22", "udp/68"}),
    )


@given(st.text(max_size=500))
@example("== host\nname\ncpus -1\nmemory ²\n")
@example("== host\ncpus " + "9" * 6000)
@example("== packages\na ii " + "9" * 6000)
def test_any_answer_gives_differences_that_can_be_shown(text):
    found = parse_answer(text)
    assert 0 <= found.cpus < 10**16
    for each in find_differences("node1", "node1.t01", 2, HOST, found):
        assert each.machine == "node1"


def test_what_is_as_described_differs_in_nothing():
    found = parse_answer(ANSWER.replace("make rc ", "make ii ").replace("udp/68", "udp/123"))
    assert find_differences("node1", "node1.t01", 2, HOST, found) == ()


def test_each_difference_is_told_with_what_was_described_and_found():
    found = parse_answer(
        ANSWER.replace("4:12", "4:11").replace("active", "failed").replace("cpus 2", "cpus 1")
    )
    assert find_differences("node1", "node1", 2, HOST, found) == (
        Difference("node1", Subject.HOST, "name", "node1", "node1.t01"),
        Difference("node1", Subject.HOST, "processors", "2", "1"),
        Difference("node1", Subject.PACKAGE, "gcc", "4:12 or later", "4:11.2.0-3"),
        Difference("node1", Subject.PACKAGE, "make", "4.3-4.1", "absent"),
        Difference("node1", Subject.SERVICE, "ssh", "active", "failed"),
        Difference("node1", Subject.PORT, "udp/123", "listening", "nobody listens"),
    )
    nothing = find_differences("node1", "node1", 2, HOST, Found())
    assert nothing[0].found == "absent"
    assert {each.found for each in nothing[2:5]} == {"absent"}
    assert nothing[5].found == "unknown"


# -- versions --------------------------------------------------------------------------------------

ORDERED = [
    "0~~", "0~~a", "0~", "0", "0a", "0+b1", "1.0~rc1-1", "1.0-1", "1.0-1+deb13u1", "1.0-1.1",
    "1.0-2", "1.0.1-1", "1.2", "1.10", "2.0", "2.0-0ubuntu1", "1:0.1", "2:0.0.1",
]  # fmt: skip


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


def test_versions_are_in_their_order():
    for number, one in enumerate(ORDERED):
        for other_number, other in enumerate(ORDERED):
            assert sign(compare_versions(one, other)) == sign(number - other_number), (one, other)


versions = st.from_regex(r"([0-9]:)?[0-9][a-z0-9.+~]{0,6}(-[a-z0-9.+~]{1,4})?", fullmatch=True)


@given(versions, versions, versions)
def test_the_order_of_versions_is_one(a, b, c):
    assert compare_versions(a, a) == 0
    assert sign(compare_versions(a, b)) == -sign(compare_versions(b, a))
    if compare_versions(a, b) <= 0 and compare_versions(b, c) <= 0:
        assert compare_versions(a, c) <= 0
