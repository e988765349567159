"""What a trainee's programs and files, the hub and the kernel could say: nothing ends the agent."""

from __future__ import annotations

import json
import struct

import pytest

from fakes.fake_system import FakeSystem
from vmlab_guest.apply import read_hub_env
from vmlab_guest.hub import Hub, HubError
from vmlab_guest.idle import parse_kernels
from vmlab_guest.kernels import parse_request
from vmlab_guest.lab_server import read_news
from vmlab_guest.notices import add_notice
from vmlab_guest.rtnetlink import split_messages
from vmlab_guest.standby import can_become
from vmlab_guest.system import RUN
from vmlab_protocol.notices import Notice

REQUEST = {"args": ["-f", "/run/x.json"], "env": {"HOME": "/home/trainee"}, "cwd": "/home/trainee"}
DEEP = b"[" * 5000


@pytest.fixture
def system(tmp_path):
    """A machine with the agent's folder."""
    made = FakeSystem(tmp_path)
    (made.root / RUN).mkdir(parents=True)
    return made


def test_a_request_for_a_kernel_is_read():
    request = parse_request(json.dumps(REQUEST).encode())
    assert (list(request.args), request.env, request.cwd) == tuple(REQUEST.values())


@pytest.mark.parametrize(
    "change",
    [
        {"args": 5},
        {"args": [5]},
        {"args": ["a\0b"]},
        {"env": {"A": 5}},
        {"env": {"A=B": "c"}},
        {"env": {"": "c"}},
        {"env": []},
        {"cwd": None},
    ],
)
def test_what_no_kernel_could_be_started_with(change):
    if change == {"env": []}:  # no variables at all, which is fine
        assert parse_request(json.dumps({**REQUEST, **change}).encode()).env == {}
        return
    with pytest.raises(ValueError, match=r"strings|variable|request"):
        parse_request(json.dumps({**REQUEST, **change}).encode())


@pytest.mark.parametrize("data", [DEEP, b"5", b'{"a": 1}', b"[5]", b"[{}]", b"\xff"])
def test_what_is_no_list_of_kernels(data):
    with pytest.raises(ValueError, match=r"."):
        parse_kernels(data)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_message_shorter_than_its_own_header_is_the_last(length):
    with pytest.raises(OSError, match="network: a message"):
        list(split_messages(struct.pack("=IHHII", length, 20, 0, 1, 0) + bytes(64)))


@pytest.mark.parametrize(
    "address",
    ["http://[::1", "http://h:99999", "http://h:x", "ftp://h", "http://", "http://a b/", "h:1"],
)
def test_what_is_no_address_of_a_hub(address):
    with pytest.raises(HubError):
        Hub(address, "token").get_json("courses", 0.01)


def test_a_token_that_no_header_can_hold_is_not_shown():
    with pytest.raises(HubError) as caught:
        Hub("http://127.0.0.1:1", "se\ncret").get_json("courses", 0.01)
    assert "cret" not in str(caught.value)


def test_a_server_at_no_address_gets_a_python_of_its_own():
    assert can_become({"JUPYTERHUB_SERVICE_URL": "http://[::1"}, ()) is False


@pytest.mark.parametrize("text", [DEEP, b"", b"5", b'[{"en": 1}]', b'[{"id": ["x"]}]', b"\xff"])
def test_notices_that_the_trainee_has_written_over(system, text):
    run = system.root / RUN
    (run / "notices.json").write_bytes(text)
    (run / "warning.json").write_bytes(b'{"stop_at": "soon"}')
    assert read_news(run) == {"language": "en", "stop_at": 0, "notices": []}
    add_notice(system, Notice("new", "neuf"))
    assert [row["en"] for row in read_news(run)["notices"]][-1:] == ["new"]


@pytest.mark.parametrize("text", [DEEP, b"[]", b"\xff", b"5"])
def test_a_hub_that_is_not_known_any_more(system, text):
    (system.root / RUN / "seeded.json").write_bytes(text)
    assert read_hub_env(system) == {}
