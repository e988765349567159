"""lab.toml: defaults, every kind of mistake, and no other exception than ConfigError."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.lab.hub_address import HubAddress
from vmlab.lab.lab import (
    Lab,
    load_lab,
    make_trainee_names,
    parse_lab,
)
from vmlab.model import Allowance
from vmlab_protocol.notices import Language

FILE = Path("/labs/lab.toml")
PROJECT = Path(__file__).parents[3]

WHOLE = """
[lab]
name = "narval"
language = "fr"
course = "notebooks/first-steps"
[machine]
image = "desk"
memory = "2G"
cpus = 2
internet = true
[volume]
size = "512M"
[provider]
name = "fake"
accelerator = "tcg"
overcommit = 1.5
[hub]
address = "0.0.0.0"
port = 8443
url = "https://lab.example.org"
[accounts]
trainees = ["ada", "grace.h"]
trainers = ["t"]
facilitators = ["f", "g"]
administrators = []
"""


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_lab(text, FILE, images={"desk", "server"})
    return caught.value.message


def test_a_total_is_more_than_the_volume_and_may_be_left_out() -> None:
    assert parse_lab("", FILE).allowance == Allowance(1024, 0)
    given = parse_lab('[volume]\nsize = "512M"\ntotal = "8G"', FILE)
    assert given.allowance == Allowance(512, 8192)
    assert "the system disk counts" in mistake('[volume]\nsize = "2G"\ntotal = "2G"')
    assert '"128M" to "65536G"' in mistake("[volume]\ntotal = 8")


def test_an_empty_file_is_the_default_lab() -> None:
    assert parse_lab("", FILE) == Lab(file=FILE)


def test_every_key_is_read() -> None:
    lab = parse_lab(WHOLE, FILE, images={"desk"})
    assert (lab.name, lab.language, lab.course) == (
        "narval",
        Language.FR,
        Path("/labs/notebooks/first-steps"),
    )
    machine = lab.machine
    assert (machine.memory_mib, machine.cpus, machine.internet) == (2048, 2, True)
    assert lab.volume_mib == 512
    assert lab.provider.name == "fake"
    assert lab.hub == HubAddress("0.0.0.0", 8443, "https://lab.example.org")
    assert lab.accounts.names() == ("ada", "grace.h", "t", "f", "g")


def test_the_lab_of_the_project_is_right() -> None:
    lab = parse_lab((PROJECT / "lab.toml").read_text(), PROJECT / "lab.toml", images={"desk"})
    assert lab.accounts.trainees == make_trainee_names(5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[machin]", "/labs/lab.toml:1: machin: unknown key; did you mean 'machine'?"),
        (
            "[machine]\nmemroy='1G'",
            "lab.toml:2: machine.memroy: unknown key; did you mean 'memory'",
        ),
        ("[machine]\nimage='dekc'", "lab.toml:2: machine.image: no recipe for image 'dekc'; did"),
        ("[machine]\nmemory=512", "machine.memory: 512 is not a text between quotes; allowed: a"),
        (
            "[machine]\nmemory='512'",
            "machine.memory: '512' is not allowed; allowed: a whole number",
        ),
        ("[machine]\nmemory='1M'", "machine.memory: '1M' is out of range; allowed: a whole number"),
        ("[machine]\ncpus=0", "machine.cpus: 0 is out of range; allowed: 1 to 64"),
        ("[machine]\ninternet='no'", "'no' is not allowed; allowed: true, false (no quotes)"),
        ("[lab]\nlanguage='fra'", "'fra' is not allowed; did you mean 'fr'? (allowed: en, fr)"),
        ("[provider]\nname='docker'", "'docker' is not allowed (allowed: fake, qemu)"),
        (
            "[provider]\novercommit=0.5",
            "provider.overcommit: 0.5 is out of range; allowed: 1 to",
        ),
        ("[provider]\novercommit='2'", "provider.overcommit: '2' is not a number; allowed: 1 to"),
        ("[provider]\novercommit=true", "provider.overcommit: true is not a number; allowed: 1"),
        ("[provider]\novercommit=nan", "provider.overcommit: nan is out of range; allowed: 1 to"),
        ("[ssh]\nport=70000", "ssh.port: 70000 is out of range; allowed: 0 to 65535"),
        ("[ssh]\nport=8000", "ssh.port: 8000 is the hub's own port already"),
        ("[ssh]\nenabled=false\nport=2222", "ssh.port: it is of no use while enabled = false"),
        ("[hub]\nport=70000", "hub.port: 70000 is out of range; allowed: 1 to 65535"),
        ("[hub]\nfront=['nginx']", "hub.front: 'nginx' is not allowed"),
        ("[hub]\nfront=['10.0.0.1/8']", "hub.front: '10.0.0.1/8' is not allowed (10.0.0.1/8 has"),
        ("[hub]\nfront=['0.0.0.0/0']", "hub.front: '0.0.0.0/0' includes everybody"),
        ("[hub]\nfront='127.0.0.1'", "hub.front: '127.0.0.1' is not a list"),
        ("[hub]\naddress='localhost'", "hub.address: 'localhost' is not an IP address; allowed:"),
        ("[accounts]\ntrainees=0", "accounts.trainees: 0 is out of range; allowed: 1 to 999"),
        (
            "[accounts]\ntrainees='ada'",
            "accounts.trainees: 'ada' is not allowed; allowed: a number",
        ),
        (
            "[accounts]\ntrainees=['Ada L']",
            "accounts.trainees[1]: 'Ada L' is not allowed; allowed:",
        ),
        ("[accounts]\ntrainees=['../x']", "accounts.trainees[1]: '../x' is not allowed; allowed:"),
        ("[accounts]\ntrainees=['a','a']", "'a' is twice; a name may be in one list only"),
        ("[accounts]\ntrainers=['admin']", "accounts.administrators: 'admin' is in trainers too;"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    assert message in mistake(text)


def test_all_mistakes_at_once() -> None:
    text = WHOLE.replace("cpus = 2", "cpus = 99").replace("8443", "0").replace('"ada"', '"Ada"')
    assert [line.split(": ")[1] for line in mistake(text).splitlines()[1:]] == [
        "machine.cpus",
        "hub.port",
        "accounts.trainees[1]",
    ]


def test_a_missing_course_is_named_with_the_other_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text('[lab]\ncourse = "nowhere"\nnmae = "x"\n')
    with pytest.raises(ConfigError) as caught:
        load_lab(file)
    assert f"{file}:2: lab.course: there is no course.toml in {tmp_path}/nowhere" in str(
        caught.value
    )
    assert f"{file}:3: lab.nmae: unknown key; did you mean 'name'?" in str(caught.value)


def test_images_are_those_with_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "images" / "recipes" / "deskful" / "recipe.toml"
    recipe.parent.mkdir(parents=True)
    recipe.touch()
    file = tmp_path / "lab.toml"
    file.write_text('[machine]\nimage = "deskfull"\n')
    with pytest.raises(ConfigError, match="did you mean 'deskful'"):
        load_lab(file)


def test_more_trainees_keep_the_names_of_fewer() -> None:
    assert make_trainee_names(150)[:12] == make_trainee_names(12)
    assert make_trainee_names(150)[-1] == "trainee150"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("::", "http://[::1]:80/"),
        ("10.0.0.1", "http://10.0.0.1:80/"),
    ],
)
def test_url_for_programs_on_this_host(address: str, url: str) -> None:
    assert HubAddress(address, 80).local_url == url


sections = st.sampled_from(["lab", "machine", "volume", "provider", "hub", "accounts", "x"])
keys = st.one_of(
    st.sampled_from(["name", "language", "course", "image", "memory", "cpus", "internet", "size"]),
    st.sampled_from(["accelerator", "address", "port", "trainees", "trainers", "facilitators"]),
    st.sampled_from(["administrators", "y"]),
)
values = st.one_of(
    st.integers().map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.text("aZ0.:/ -_é", max_size=50).map(lambda t: f"'{t}'"),
    st.sampled_from(["'1G'", "'::1%a'", "1.5", "nan", "[]", "[1, 'a']", "{a=1}", "1979-05-27"]),
)
pairs = st.tuples(keys, values).map(" = ".join)
blocks = st.tuples(sections, st.lists(pairs, max_size=4, unique_by=lambda p: p.split(" ")[0])).map(
    lambda block: f"[{block[0]}]\n" + "\n".join(block[1])
)
documents = st.lists(blocks, max_size=4, unique_by=lambda b: b.split("]")[0]).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), documents))
def test_no_other_exception_for_any_text(text: str) -> None:
    with contextlib.suppress(ConfigError):
        lab = parse_lab(text, FILE)
        assert 256 <= lab.machine.memory_mib <= 256 * 1024
        assert 64 <= lab.volume_mib <= 4096 * 1024
        names = lab.accounts.names()
        assert len(names) == len(set(names))


def test_ssh_is_on_without_a_port_unless_the_lab_says_otherwise():
    lab = parse_lab("", Path("lab.toml"))
    assert (lab.ssh.enabled, lab.ssh.port, lab.ports) == (True, 0, (8000,))
    lab = parse_lab("[ssh]\nport = 2222", Path("lab.toml"))
    assert lab.ports == (8000, 2222)
    assert not parse_lab("[ssh]\nenabled = false", Path("lab.toml")).ssh.enabled
