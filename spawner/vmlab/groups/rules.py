"""What a lab says of all of its groups: the same for every trainee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmlab.errors import ConfigError
from vmlab.files.roster import Room, share_out
from vmlab.groups.facts import layers_of
from vmlab.lab.event_network import AddressPlan, plan_addresses
from vmlab.lab.lab import Lab
from vmlab.lab.machines import HomePlace, NodeChoice, ServerChoice
from vmlab.lab.start_order import DESK, SERVER
from vmlab.model import Bandwidth, NetworkSpec
from vmlab.names import event_name, event_server_name, node_name


@dataclass(frozen=True)
class GroupRules:
    """Which machines belong to a group; without anything: the desk alone, in no network."""

    nodes: tuple[NodeChoice, ...] = ()
    server: ServerChoice | None = None
    server_machine: str = ""  # its name
    desk_after: tuple[str, ...] = ()
    network: NetworkSpec | None = None
    addresses: AddressPlan | None = None  # there is one where there is a network
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    accounts: tuple[str, ...] = ()  # those of the lab, trainees first: the first has number 1
    trainers: frozenset[str] = frozenset()
    room: Room | None = None  # how the server's volume is shared out; None: it keeps no files
    has_homes: bool = False  # whether desks have their home there, and no volume

    @property
    def machines(self) -> int:
        """How many machines each trainee has."""
        return 1 + len(self.nodes)

    @property
    def is_several(self) -> bool:
        """Whether there is more to a group than a desk on its own."""
        return bool(self.nodes or self.server or self.network)

    @property
    def after(self) -> dict[str, tuple[str, ...]]:
        """Which machines are ready before another one is started, by label."""
        own = {DESK: self.desk_after} | {node.name: node.after for node in self.nodes}
        return own | ({SERVER: ()} if self.server else {})

    @property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The start order: machines of one layer start at the same time."""
        return layers_of(self.after)

    def node_machines(self, desk: str) -> Mapping[str, str]:
        """Return the names of a trainee's further machines, by label.

        Args:
            desk: the name of the trainee's desk.
        """
        return {node.name: node_name(desk, node.name) for node in self.nodes}

    def own_machines(self, desk: str) -> tuple[str, ...]:
        """Return the names of all of a trainee's machines, the desk first."""
        return (desk, *self.node_machines(desk).values())


def _share_out(lab: Lab) -> Room | None:
    if lab.server is None or not lab.server.files:
        return None
    # The size of a home is its quota, wherever it is.
    own_mib = lab.volume_mib if lab.home is HomePlace.SERVER else 0
    return share_out(lab.server.volume_mib, len(lab.accounts.names()), own_mib)


def _find_before(lab: Lab) -> tuple[str, ...]:
    """Return what is ready before a desk starts: the server, too, where the home is on it."""
    after = lab.machine.after
    return (SERVER, *after) if lab.home is HomePlace.SERVER and SERVER not in after else after


def group_rules(lab: Lab) -> GroupRules:
    """Return the rules of a lab.

    Raises:
        ConfigError: the server's volume is too small for everybody's files. Or the network is;
            `parse_lab` finds that first.
    """
    accounts = lab.accounts.names()
    network = addresses = None
    if lab.network:
        network = NetworkSpec(event_name(lab.name), lab.network.addresses, lab.network.meeting)
        addresses = plan_addresses(lab.network.addresses, len(accounts), 1 + len(lab.nodes))
        if addresses is None:
            raise ConfigError(f"{lab.file}: [network] {network.addresses} is too small")
    return GroupRules(
        nodes=lab.nodes,
        server=lab.server,
        server_machine=event_server_name(lab.name) if lab.server else "",
        desk_after=_find_before(lab),
        network=network,
        addresses=addresses,
        bandwidth=lab.machine.bandwidth,
        accounts=accounts,
        trainers=frozenset(lab.accounts.trainers),
        room=_share_out(lab),
        has_homes=lab.home is HomePlace.SERVER,
    )
