"""The keys between a trainee's own machines: who has which, from the first start to the last."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from asyncssh.public_key import SSHOpenSSHCertificate

from hub.test_group_starts import Hub
from vmlab.errors import GuestError
from vmlab.model import MachineSpec, PhaseEvent
from vmlab.providers.agent.identity import make_key_pair
from vmlab.providers.base import SshStream
from vmlab.providers.fake import FakeProvider
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed
from vmlab.ssh.host_key import AUTHORITY, read_public_key_of

LAB = "[network]\n[[node]]\ncount = 2\n[server]\n"


class ProviderWithSsh(FakeProvider):
    """One whose machines have host keys, as long as they are not set aside."""

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self.seeds: dict[str, Seed] = {}
        self.host_keys: dict[str, str] = {}

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        self.seeds[spec.name] = seed
        self.host_keys.setdefault(spec.name, make_key_pair(spec.name)[1])
        async for event in super().start(spec, seed):
            yield event

    async def set_aside(self, name: str) -> str:
        self.host_keys.pop(name, None)
        return await super().set_aside(name)

    async def open_ssh(self, name: str) -> SshStream:
        raise GuestError(name, "it has no sshd")

    def ssh_host_key(self, name: str) -> str:
        return self.host_keys.get(name, "")


class SshHub(Hub):
    """A hub whose machines reach each other."""

    def __init__(self, folder: Path, text: str = LAB) -> None:
        super().__init__(folder, text)
        self.provider: ProviderWithSsh = ProviderWithSsh(ProviderSettings("fake", folder, folder))

    def public_of(self, machine: str) -> str:
        """The public half of the key that a machine got."""
        kin = self.provider.seeds[machine].kin
        assert kin is not None
        return asyncssh.import_private_key(kin.private).export_public_key().decode().strip()

    def let_in(self, machine: str) -> set[str]:
        """Whom a machine at work lets in."""
        return {" ".join(line.split()[:2]) for line in self.provider.keys[machine]}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SshHub]:
    made = SshHub(tmp_path)
    yield made
    await made.provider.close()


def bare(line: str) -> str:
    return " ".join(line.split()[:2])


async def test_each_machine_lets_in_those_beside_it_and_recognizes_them(hub: SshHub) -> None:
    own = hub.machines()
    await hub.start(own)
    machines = (own.desk, *own.nodes.values())
    publics = {bare(hub.public_of(name)) for name in machines}
    assert len(publics) == 3, "a key for each"
    authority = read_public_key_of(hub.folder / "ssh", AUTHORITY)
    for name in machines:
        assert hub.let_in(name) == publics
        seed = hub.provider.seeds[name]
        assert seed.kin is not None
        assert seed.certify is not None
        assert seed.kin.authority == authority
        assert [host.machine for host in seed.kin.hosts] == list(machines)
        certificate = asyncssh.import_certificate(seed.certify(hub.provider.host_keys[name]))
        assert isinstance(certificate, SSHOpenSSHCertificate)
        assert certificate.principals == [name]
    server = hub.provider.seeds[hub.rules.server_machine]
    assert (server.kin, server.keys) == (None, ())


@pytest.mark.attack("ssh.kin", "logs in with the key of another trainee's machine")
async def test_machines_of_two_trainees_let_each_other_out(hub: SshHub, tried) -> None:
    ada, bob = hub.machines(), hub.machines("bob")
    await hub.start(ada)
    await hub.start(bob)
    theirs = {bare(hub.public_of(name)) for name in (bob.desk, *bob.nodes.values())}
    for name in (ada.desk, *ada.nodes.values()):
        assert not hub.let_in(name) & theirs
    kin = hub.provider.seeds[ada.desk].kin
    assert kin is not None
    assert bob.desk not in [host.machine for host in kin.hosts], "though it is a `desk`, too"
    tried(9)


async def test_keys_stay_over_stops_and_starts(hub: SshHub) -> None:
    own = hub.machines()
    await hub.start(own)
    before = hub.public_of(own.nodes["node1"])
    await own.stop(hub.rules.own_machines(own.desk), now=False)
    own = hub.machines()
    await hub.start(own)
    assert hub.public_of(own.nodes["node1"]) == before
    await own.restart_node("node1")
    assert hub.public_of(own.nodes["node1"]) == before


@pytest.mark.attack("ssh.kin", "goes on with the key of a machine that was replaced")
async def test_a_new_machine_has_a_new_key_which_the_others_know_at_once(
    hub: SshHub, tried
) -> None:
    own = hub.machines()
    await hub.start(own)
    node, desk = own.nodes["node1"], own.desk
    before, of_desk = bare(hub.public_of(node)), hub.public_of(desk)
    await own.restart_node("node1", renew=True)
    after = bare(hub.public_of(node))
    assert after != before
    for name in (desk, *own.nodes.values()):
        assert after in hub.let_in(name)
        assert before not in hub.let_in(name)
    assert hub.public_of(desk) == of_desk
    tried(3)


async def test_a_desk_on_its_own_has_no_such_key(tmp_path: Path) -> None:
    hub = SshHub(tmp_path, "[server]\n")
    own = hub.machines()
    await hub.start(own)
    seed = hub.provider.seeds[own.desk]
    assert (seed.kin, seed.keys) == (None, ())
    assert seed.certify is not None, "but its own computer recognizes it"
    assert not (tmp_path / "ssh/kin").exists()
    await hub.provider.close()
