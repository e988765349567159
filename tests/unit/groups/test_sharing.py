"""Who the event's file server is told of, and what machines are told of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fakes.looked_at import LookedAt
from vmlab.errors import ConfigError, UnsupportedError
from vmlab.groups.rules import GroupRules, group_rules
from vmlab.groups.sharing import find_share, has_home_on_server, make_people, serve_files
from vmlab.lab.lab import parse_lab
from vmlab.model import Features
from vmlab_protocol.share import Share

LAB = """
[[node]]
[server]
volume = "10G"
files = true
[accounts]
trainees = ["ada", "bob"]
trainers = ["luc"]
facilitators = []
administrators = []
"""
NUMBERS = {"ada": 1, "bob": 7, "luc": 3}


def rules_of(text: str = LAB) -> GroupRules:
    return group_rules(parse_lab(text, Path("/lab.toml")))


class Files(LookedAt):
    """A provider whose server notes what it is told."""

    def __init__(self):
        self.told = []

    async def serve_files(self, name, roster):
        self.told.append((name, roster))
        return roster.serial


def test_everybody_has_a_folder_at_the_addresses_of_all_their_machines() -> None:
    ada, bob, luc = make_people(rules_of(), NUMBERS)
    assert (ada.user, [str(each) for each in ada.addresses]) == ("ada", ["10.77.1.1", "10.77.1.2"])
    assert [str(each) for each in bob.addresses] == ["10.77.7.1", "10.77.7.2"]
    assert [person.is_trainer for person in (ada, bob, luc)] == [False, False, True]


def test_machines_learn_where_their_files_are() -> None:
    rules = rules_of()
    assert find_share(rules, "ada") == Share(IPv4Address("10.77.0.2"), "ada")
    assert find_share(rules, "luc") == Share(IPv4Address("10.77.0.2"), "luc", is_trainer=True)
    assert find_share(rules, "stranger") is None
    assert find_share(rules_of("[server]"), "trainee01") is None
    assert find_share(rules_of(""), "trainee01") is None


HOMES = LAB + '[volume]\nhome = "server"\nsize = "2G"\n'


def test_homes_are_on_the_server_where_the_lab_says_so() -> None:
    rules = rules_of(HOMES)
    ada = Share(IPv4Address("10.77.0.2"), "ada", is_home=True)
    assert find_share(rules, "ada", is_desk=True) == ada
    assert find_share(rules, "ada") == replace(ada, is_home=False)  # a node has a home of its own
    assert has_home_on_server(rules, "luc")
    assert not has_home_on_server(rules, "stranger")
    assert not has_home_on_server(rules_of(), "ada")


def test_the_size_of_a_home_is_its_quota_there() -> None:
    rules = rules_of(HOMES)
    assert rules.room is not None
    assert rules.room.own_mib == 2048
    with pytest.raises(ConfigError, match="too small for 3 people with 4096 MiB each"):
        rules_of(HOMES.replace("2G", "4G"))


def test_a_desk_waits_for_the_server_that_has_its_home() -> None:
    assert rules_of(HOMES).after["desk"] == ("server",)
    said = HOMES.replace("[server]", '[machine]\nafter = ["server"]\n[server]')
    assert rules_of(said).after["desk"] == ("server",)
    assert rules_of().after["desk"] == ()


async def test_the_server_is_told_of_all_accounts_and_each_time_with_a_higher_serial(tmp_path):
    provider, rules = Files(), rules_of()
    for _ in range(2):
        await serve_files(provider, tmp_path / "vmlab.sqlite", rules)
    (name, first), (_, second) = provider.told
    assert name == rules.server_machine
    assert [sharer.folder for sharer in first.sharers] == ["ada", "bob", "luc"]
    assert first.serial <= second.serial
    assert first.sharers == second.sharers


async def test_nothing_is_told_where_no_files_are_kept(tmp_path):
    await serve_files(Files(), tmp_path / "vmlab.sqlite", rules_of("[server]"))


async def test_a_provider_without_file_servers_is_told_of(tmp_path):
    class Plain(LookedAt):
        features = Features(name="plain")

    with pytest.raises(UnsupportedError, match="provider plain has no file servers"):
        await serve_files(Plain(), tmp_path / "vmlab.sqlite", rules_of())


def test_a_volume_that_is_too_small_for_everybody_is_a_mistake_of_the_lab() -> None:
    with pytest.raises(ConfigError, match="too small for 3 people"):
        rules_of(LAB.replace("10G", "64M"))
