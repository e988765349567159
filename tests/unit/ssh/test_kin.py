"""Keys between a trainee's own machines, and what the hub signs for them."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import asyncssh
import pytest
from asyncssh.public_key import SSHOpenSSHCertificate

from vmlab.errors import HostError
from vmlab.groups.plan import make_group
from vmlab.groups.rules import group_rules
from vmlab.lab.lab import parse_lab
from vmlab.model import MachineSpec
from vmlab.names import machine_name, node_name
from vmlab.providers.agent.identity import make_key_pair
from vmlab.ssh.authority import HostAuthority
from vmlab.ssh.host_key import AUTHORITY, HOST_KEY, ensure_keys, read_public_key_of
from vmlab.ssh.kin import KinKeys, is_kin, make_hosts
from vmlab_protocol.seed import KinHost

DESK = machine_name("ada")
NODE = node_name(DESK, "node1")


def group_of(text: str, tmp_path):
    rules = group_rules(parse_lab(text, tmp_path / "lab.toml"))
    desk = MachineSpec(DESK, "ada", "desk", 512, 1, internet=False, volume=None)
    return make_group(rules, desk, 7)


def test_each_machine_has_a_key_that_stays_over_its_starts(tmp_path):
    keys = KinKeys(tmp_path)
    assert keys.prepare((DESK, NODE), {DESK, NODE})
    made = [keys.find(DESK), keys.find(NODE)]
    assert made[0].public != made[1].public
    assert not keys.prepare((DESK, NODE), ())
    assert [KinKeys(tmp_path).find(DESK), keys.find(NODE)] == made
    assert keys.lines((DESK, NODE, "desk-bob-0")) == (made[0].public, made[1].public)
    pair = asyncssh.import_private_key(made[0].private)
    assert pair.export_public_key().split()[:2] == made[0].public.encode().split()[:2]


def test_a_new_machine_has_another_key(tmp_path):
    keys = KinKeys(tmp_path)
    keys.prepare((DESK, NODE), ())
    desk, node = keys.find(DESK), keys.find(NODE)
    assert keys.prepare((DESK, NODE), {NODE})
    assert keys.find(DESK) == desk
    assert keys.find(NODE).public != node.public
    assert node.public not in keys.lines((DESK, NODE))


@pytest.mark.attack("ssh.kin", "reads the keys on the host, or what is printed of them")
def test_keys_are_read_by_the_hubs_user_only(tmp_path, tried):
    folder = tmp_path / "ssh"
    ensure_keys(folder)
    KinKeys(folder).prepare((DESK,), ())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "kin").stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert "PRIVATE" not in repr(KinKeys(folder).find(DESK))
    tried(len(files) + 1)


def test_a_damaged_key_is_made_again(tmp_path):
    keys = KinKeys(tmp_path)
    keys.prepare((DESK,), ())
    (tmp_path / "kin" / DESK).write_text("{")
    assert keys.find(DESK) is None
    assert keys.prepare((DESK,), ())
    assert keys.find(DESK)


def test_only_machines_that_reach_each_other_are_kin(tmp_path):
    assert not is_kin(group_of("", tmp_path))
    assert not is_kin(group_of("[network]\n", tmp_path))
    assert not is_kin(group_of("[server]\n", tmp_path))
    assert is_kin(group_of("[[node]]\n", tmp_path)), "which come with a network"


def test_machines_know_each_other_by_all_of_their_names(tmp_path):
    group = group_of("[network]\n[[node]]\ncount = 2\n[server]\n", tmp_path)
    assert make_hosts(group) == (
        KinHost(DESK, ("desk", "desk-t07")),
        KinHost(NODE, ("node1", "node1.t07")),
        KinHost(node_name(DESK, "node2"), ("node2", "node2.t07")),
    )


def test_a_host_certificate_is_for_one_machine(tmp_path):
    authority = HostAuthority(tmp_path / "ssh")
    _, public = make_key_pair("desk")
    line = authority.certify(public, DESK)
    certificate = asyncssh.import_certificate(line)
    assert certificate.get_algorithm() == "ssh-ed25519-cert-v01@openssh.com"
    assert isinstance(certificate, SSHOpenSSHCertificate)
    assert certificate.principals == [DESK]
    signer = asyncssh.import_public_key(authority.public)
    assert certificate.signing_key == signer
    assert certificate.key == asyncssh.import_public_key(public)
    assert HostAuthority(tmp_path / "ssh").public == authority.public
    assert authority.public == read_public_key_of(tmp_path / "ssh", AUTHORITY)
    assert authority.public != read_public_key_of(tmp_path / "ssh", HOST_KEY)


def test_a_damaged_authority_is_named(tmp_path):
    ensure_keys(tmp_path)
    (tmp_path / AUTHORITY).write_text("nothing")
    with pytest.raises(HostError, match="host_authority is damaged"):
        HostAuthority(tmp_path)


def test_machines_that_start_together_have_one_authority(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: HostAuthority(tmp_path / "ssh").public, range(16)))
    assert len(set(made)) == 1


def test_keys_of_the_hub_stay(tmp_path):
    ensure_keys(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ensure_keys(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
