"""[[node]], [server] and [network]: what they mean, and each mistake with its line."""

from __future__ import annotations

from dataclasses import replace
from graphlib import TopologicalSorter
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.lab.event_network import OF_MACHINES, NetworkChoice, plan_addresses
from vmlab.lab.lab import Lab, parse_lab
from vmlab.lab.machines import NodeChoice, Readiness, ServerChoice
from vmlab.model import Meeting

FILE = Path("/labs/lab.toml")

FARM = """
[machine]
after = ["server", "builder"]
[[node]]
name = "digitiser"
count = 2
memory = "1G"
volume = "2G"
ready = { command = "test -e /run/ready", within = 60 }
[[node]]
name = "builder"
cpus = 2
internet = true
after = ["digitiser"]
ready = { port = 9000 }
[server]
volume = "10G"
files = true
[network]
addresses = "192.168.0.0/16"
meet = "own"
"""


def read(text: str) -> Lab:
    return parse_lab(text, FILE, images={"desk", "server"})


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.message


def test_every_key_is_read() -> None:
    lab = read(FARM)
    ready = Readiness(command="test -e /run/ready", within_s=60)
    first = NodeChoice("digitiser1", memory_mib=1024, volume_mib=2048, ready=ready)
    assert lab.nodes == (
        first,
        replace(first, name="digitiser2"),
        NodeChoice(
            "builder",
            cpus=2,
            internet=True,
            after=("digitiser1", "digitiser2"),
            ready=Readiness(port=9000),
        ),
    )
    assert lab.server == ServerChoice(volume_mib=10240, files=True)
    assert lab.network == NetworkChoice(IPv4Network("192.168.0.0/16"), Meeting.OWN)
    assert lab.machine.after == ("server", "builder")


def test_a_section_is_one_machine_and_a_count_numbers_them() -> None:
    assert read("[[node]]").nodes == (NodeChoice("node"),)
    assert read("[[node]]\ncount = 1").nodes == (NodeChoice("node1"),)
    names = [node.name for node in read("[[node]]\ncount = 2\n[[node]]\nname = 'b'").nodes]
    assert names == ["node1", "node2", "b"]


def test_names_on_the_internet_instead_of_all_of_it() -> None:
    names = "internet = ['deb.debian.org', '*.pypi.org', 'deb.debian.org']"
    lab = read(f"[machine]\n{names}\n[[node]]\n{names}\n[server]\ninternet = []")
    assert lab.machine.internet
    assert lab.machine.allowed == lab.nodes[0].allowed == ("deb.debian.org", "*.pypi.org")
    assert lab.server is not None
    assert (lab.server.internet, lab.server.allowed) == (False, ())
    assert lab.has_internet
    assert lab.has_allow_list
    for text in ("", "[machine]\ninternet = true", "[machine]\ninternet = []"):
        assert not read(text).has_allow_list


@pytest.mark.parametrize(
    "name",
    ["org", "*.org", "*", "9.9.9.9", "Deb.debian.org", "http://pypi.org", "pypi.org:443", "-a.org",
     "pypi.org.", "*pypi.org", "a.*.org", "é.org", "a b.org", f"{'a' * 64}.org",
     "a." * 126 + "org"],
)  # fmt: skip
def test_what_is_no_name_on_the_internet(name) -> None:
    assert 'allowed: names such as "deb.debian.org"' in mistake(
        f"[machine]\ninternet = ['pypi.org', '{name}']"
    )


@pytest.mark.parametrize("text", ["[[node]]", "[server]", "[network]"])
def test_machines_that_are_to_meet_have_a_network(text) -> None:
    assert read(text).network == NetworkChoice(IPv4Network("10.77.0.0/16"), Meeting.ALL)
    assert read("").network is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[node]]\ncuont = 2", "toml:2: node[1].cuont: unknown key; did you mean 'count'?"),
        ("[[node]]\ncount = 0", "toml:2: node[1].count: 0 is out of range; allowed: 1 to 50"),
        ("[[node]]\nname = 'a-b'", "toml:2: node[1].name: 'a-b' is not allowed; allowed: 1 to 12"),
        ("[[node]]\nimage = 'dekc'", "node[1].image: no recipe for image 'dekc'; did you mean"),
        ("[[node]]\ncount=40\n[[node]]\nname='b'\ncount=40", "node: more than 50 machines for"),
        (
            "[[node]]\ncount = 2\n\n[[node]]\nname = 'node2'",
            "toml:5: node[2].name: 2 machines would be called 'node2'; give each section a name",
        ),
        ("[[node]]\nname = 'desk'", "toml:2: node[1].name: 'desk' is what something else"),
        ("[[node]]\nname = 'server'", "toml:2: node[1].name: 'server' is what something else"),
        (
            "[[node]]\nafter = [\n'serevr']\n[server]",
            "toml:3: node[1].after[1]: there is no machine 'serevr'; did you mean 'server'?",
        ),
        ("[machine]\nafter = ['server']", "machine.after[1]: there is no machine 'server'"),
        ("[server]\nfiles = true", "toml:2: server.files: files need a volume: write volume ="),
        ("[volume]\nhome = 'server'", "toml:2: volume.home: homes on the server need a section"),
        ("[volume]\nhome = 'server'\n[server]", "toml:2: volume.home: homes on the server need"),
        ("[volume]\nhome = 'nfs'", "toml:2: volume.home: 'nfs' is not allowed"),
        ("[server]\nafter = ['desk']", "toml:2: server.after: all trainees share the server"),
        (
            "[[node]]\nname='a'\nafter=['b']\n[[node]]\nname='b'\nafter=['a']",
            "after: no machine could start first: ",
        ),
        ("[[node]]\nafter = ['node']", "toml:2: node[1].after: no machine could start first"),
        (
            "[machine]\nafter = ['node']\n[[node]]\ncount = 2\nafter = ['desk']",
            "no machine could start first: ",
        ),
        ("[[node]]\nready = {}", "toml:2: node[1].ready: allowed: { port = 22 } or { command"),
        ("[[node]]\nready = { port = 1, command = 'x' }", "node[1].ready: allowed: { port = 22 }"),
        ("[[node]]\nready = { prot = 1 }", "node[1].ready.prot: unknown key; did you mean 'port'"),
        ('[[node]]\nready = { command = "a\\nb" }', "allowed: one line for the machine's shell"),
        ("[network]\nmeet = 'owm'", "network.meet: 'owm' is not allowed; did you mean 'own'?"),
        ("[network]\naddresses = '10.77.0.1/16'", "toml:2: network.addresses: '10.77.0.1/16'"),
        ("[network]\naddresses = 'x'", "network.addresses: 'x'"),
        ("[network]\naddresses = '10.0.0.0/8'", "overlaps 10.0.2.0/24, by which each machine"),
        ("[network]\naddresses = '10.0.3.128/25'", "overlaps 10.0.3.0/24, by which each machine"),
        ("[network]\naddresses = '8.8.0.0/16'", "is not within a private range; allowed: a part"),
        (
            "[network]\naddresses = '10.77.0.0/24'\n[accounts]\ntrainees = 100",
            "'10.77.0.0/24' is too small for 103 accounts with 1 machines each; allowed: a larger",
        ),
    ],
)
def test_a_mistake_is_named(text, message) -> None:
    assert message in mistake(text)


names = st.sampled_from(["desk", "server", "a", "b", "c", "d", "nobody"])
orders = st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=5)


@given(orders, st.booleans())
def test_what_is_accepted_can_be_started(order, has_server) -> None:
    """Whatever somebody writes: a mistake is told, or some order exists and has known names."""
    text = "".join(f"[[node]]\nname = '{name}'\nafter = {after}\n" for name, after in order)
    try:
        lab = read(text + ("[server]" if has_server else ""))
    except ConfigError:
        return
    after = {"desk": lab.machine.after} | {node.name: node.after for node in lab.nodes}
    known = {*after, *(["server"] if has_server else [])}
    assert {name for waits in after.values() for name in waits} <= known
    assert len(after) == 1 + len(lab.nodes)
    list(TopologicalSorter(after).static_order())


@given(st.integers(8, 30), st.integers(1, 999), st.integers(1, 51))
def test_an_address_is_of_one_machine_only(length, trainees, machines) -> None:
    begin = IPv4Network("10.64.0.0/10" if length >= 10 else "10.0.0.0/8")[0]
    network = IPv4Network((int(begin), length))
    plan = plan_addresses(network, trainees, machines)
    if plan is None:
        assert network.num_addresses < 2 * (trainees + 1) * (max(machines, 2) + 2)
        return
    assert plan.trainees >= trainees
    wanted = [(0, 2), *((n, p) for n in (1, trainees) for p in (1, machines))]
    found = {where: plan.address(*where) for where in wanted}
    assert len(set(found.values())) == len(set(wanted))
    for address in found.values():
        assert address.ip in network
        assert address.ip not in {network[0], network[1], network[-1]}
        assert address.network == network
    with pytest.raises(ValueError, match="has no machine"):
        plan.address(plan.trainees + 1, 1)


def test_addresses_can_be_read() -> None:
    plan = plan_addresses(IPv4Network("10.77.0.0/16"), 20, 4)
    assert plan is not None
    assert str(plan.address(7, 1)) == "10.77.7.1/16"
    assert str(plan.address(0, 2)) == "10.77.0.2/16"
    assert not any(plan.network.overlaps(taken) for taken in OF_MACHINES)
