"""The seed parser: takes what the hub makes, refuses the rest, and shows no secret."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.guest_seeds import CARD, CERTIFICATE, ENV, KIN, NOW_NS, PRIVATE_KEY, TOKEN, make_seed
from vmlab_protocol.notices import Language
from vmlab_protocol.seed_reader import SeedError, parse_seed


def paths_of(value: Any, path: tuple = ()) -> list[tuple]:
    found = [path] if path else []
    if isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            found += paths_of(child, (*path, key))
    return found


def put(seed: dict, path: tuple, value: Any) -> dict:
    changed = copy.deepcopy(seed)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def test_takes_what_the_hub_makes() -> None:
    seed = parse_seed(make_seed())
    assert seed.randomness == bytes(range(64))
    assert seed.time_ns == NOW_NS
    assert seed.host_name == "desk-ada"
    assert str(seed.network.address) == "10.0.2.15/24"
    assert seed.mounts[0].path == "/home/trainee"
    assert seed.language is Language.FR
    assert seed.server is not None
    assert seed.server.env == ENV
    assert seed.server.args == ("--HubOAuth.base_url=/user/ada/",)


def test_a_machine_without_a_server_gets_nothing_of_the_hub() -> None:
    assert make_seed(serves=False)["server"] is None
    assert TOKEN not in str(make_seed(serves=False))
    assert parse_seed(make_seed(serves=False)).server is None


def test_a_machine_in_an_event_learns_its_place() -> None:
    seed = parse_seed(make_seed(card=CARD))
    assert seed.host_name == "desk-t01"
    assert seed.event is not None
    assert (seed.event.mac, str(seed.event.address)) == ("02:00:0a:4d:01:01", "10.77.1.1/16")
    assert list(map(str, seed.event.dns)) == ["10.77.0.1"]
    assert seed.event.names == ("desk-t01", "desk")
    assert parse_seed(make_seed()).event is None


def test_a_machine_learns_of_those_beside_it() -> None:
    seed = parse_seed(make_seed(kin=KIN, certify=lambda _public: CERTIFICATE))
    assert seed.kin == KIN
    assert seed.ssh_host_key.certificate == CERTIFICATE
    assert KIN.private[40:80] not in repr(seed)
    assert parse_seed(make_seed()).kin is None
    assert parse_seed(make_seed()).ssh_host_key.certificate == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ssh_host_key", "certificate"), "ssh-ed25519 AAAA"),
        (("ssh_host_key", "certificate"), f"{CERTIFICATE}\nPermitRootLogin yes"),
        (("kin",), []),
        (("kin", "private"), "ssh-ed25519 AAAA"),
        (("kin", "authority"), "* ssh-ed25519 AAAA"),
        (("kin", "authority"), f"{KIN.authority}\n* {KIN.authority}"),
        (("kin", "hosts"), {}),
        (("kin", "hosts", 0, "machine"), "*"),
        (("kin", "hosts", 0, "machine"), "a,b"),
        (("kin", "hosts", 1, "names", 0), "node1\n    ProxyCommand id"),
        (("kin", "hosts", 1, "names"), ["node1"] * 9),
    ],
)
def test_what_would_end_up_in_settings_of_ssh_has_their_form(path: tuple, value: Any) -> None:
    made = make_seed(kin=KIN, certify=lambda _public: CERTIFICATE)
    with pytest.raises(SeedError) as refused:
        parse_seed(put(made, path, value))
    assert KIN.private[40:80] not in str(refused.value)


@pytest.mark.parametrize("name", ["node1.t01", "server", "a" * 63, "a.b.c.d"])
def test_a_host_name_may_have_a_few_parts(name: str) -> None:
    assert parse_seed(put(make_seed(), ("host_name",), name)).host_name == name


def test_repr_shows_no_secret() -> None:
    text = repr(parse_seed(make_seed()))
    assert TOKEN not in text
    assert PRIVATE_KEY[40:80] not in text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 3),
        (("randomness",), "AAAA"),
        (("randomness",), "not base64 é"),
        (("time_ns",), 12),
        (("time_ns",), True),
        (("machine_id",), "0" * 31),
        (("machine_id",), "../../etc/passwd"),
        (("host_name",), "desk ada"),
        (("host_name",), "-desk"),
        (("host_name",), "a\nb"),
        (("host_name",), "a\n"),
        (("host_name",), "node1."),
        (("host_name",), "node1..t01"),
        (("host_name",), f"{'a' * 60}.{'b' * 10}"),
        (("ssh_host_key", "private"), "ssh-ed25519 AAAA"),
        (("authorized_keys", 0), 'command="rm" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA'),
        (("authorized_keys", 0), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA a\nssh-rsa AAAA"),
        (("network", "address"), "10.0.2.15; reboot"),
        (("network", "address"), 3),
        (("network", "gateway"), "gateway"),
        (("network", "dns"), ["10.0.2.3\nsearch evil"]),
        (("event",), []),
        (("event", "mac"), "02:00:0a:4d:01"),
        (("event", "mac"), "02:00:0A:4D:01:01"),
        (("event", "address"), 3),
        (("event", "address"), "10.77.1.1/40"),
        (("event", "dns"), ["10.77.0.1\nsearch evil"]),
        (("event", "dns"), ["10.77.0.1"] * 4),
        (("event", "names"), []),
        (("event", "names"), "desk"),
        (("event", "names", 0), "desk-t01 server"),
        (("event", "names", 1), "desk\n10.77.0.20 server"),
        (("mounts", 0, "device"), "/etc/shadow"),
        (("mounts", 0, "device"), "/dev/../etc/shadow"),
        (("mounts", 0, "path"), "home"),
        (("mounts", 0, "path"), "/home/../etc"),
        (("mounts", 0, "type"), "-t"),
        (("mounts", 0, "options"), "rw --bind"),
        (("notices", 0, "fr"), None),
        (("language",), "de"),
        (("language",), ["en"]),
        (("server", "env"), {"A B": "1"}),
        (("server", "env"), {"A": "one\ntwo"}),
        (("server", "env"), {"A": "\x1b[2J"}),
        (("server", "env"), {"A": "\ud800"}),
        (("server", "env"), {"A": 1}),
        (("server", "args", 0), "--x\n"),
    ],
)
def test_refuses_and_names_the_field(path: tuple, value: object) -> None:
    with pytest.raises(SeedError, match=rf"seed\.{path[0]}"):
        parse_seed(put(make_seed(card=CARD), path, value))


FIELDS = [
    path
    for path in paths_of(make_seed(card=CARD))
    if isinstance(path[-1], str)
    and path[:-1] != ("server", "env")  # those are the hub's choice
    # Without an event the machine is on its own; an older hub has no keys of the trainee's.
    and path not in {("event",), ("own_keys",)}
]


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_needed(path: tuple) -> None:
    seed = make_seed(card=CARD)
    place: Any = seed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(SeedError, match="missing"):
        parse_seed(seed)


def test_a_bad_secret_is_not_shown() -> None:
    seed = put(make_seed(), ("ssh_host_key", "private"), "precious words")
    with pytest.raises(SeedError) as caught:
        parse_seed(seed)
    assert "precious" not in str(caught.value)
    with pytest.raises(SeedError) as caught:
        parse_seed(put(make_seed(), ("server", "env", "JUPYTERHUB_API_TOKEN"), "precious\nwords"))
    assert "precious" not in str(caught.value)
    assert "JUPYTERHUB_API_TOKEN" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([(), *paths_of(make_seed(card=CARD))]), JSON)
def test_any_damage_is_a_seed_error_or_none(path: tuple, value: Any) -> None:
    seed = put(make_seed(card=CARD), path, value) if path else value
    with contextlib.suppress(SeedError):
        parsed = parse_seed(seed)
        # What was accepted can be written to every place that it goes to.
        env = parsed.server.env if parsed.server else {}  # a node has none
        assert all("\n" not in text for text in env.values())
        "".join(env.values()).encode()
