"""One trainee's group, from the lab's rules and the trainee's number. Pure.

Guarantees, for any lab that `parse_lab` accepts and any two numbers within its network:

- the same trainee's machines always have the same names, cards and addresses;
- no two machines of an event have the same name, card or address;
- a machine keeps them when nodes are added behind it.
"""

from __future__ import annotations

from dataclasses import replace

from vmlab.groups.facts import Group, Member
from vmlab.groups.rules import GroupRules
from vmlab.lab.event_network import SERVER_PLACE
from vmlab.lab.machines import NodeChoice
from vmlab.lab.start_order import DESK, SERVER
from vmlab.model import Card, MachineRole, MachineSpec, VolumeSpec
from vmlab.names import node_name

EVENT = 0
"""The number whose block of addresses is the event's own."""

SERVER_MOUNT = "/srv"
_DESK_PLACE = 1


def make_group(rules: GroupRules, desk: MachineSpec, number: int) -> Group:
    """Return the group of a trainee.

    Args:
        desk: the trainee's desk as it is without a group.
        number: of the trainee, from 1; of no meaning where there is no network.
    """
    server = make_server(rules)
    return Group(
        (
            Member(DESK, _with_card(desk, make_desk_card(rules, number)), rules.desk_after),
            *(
                _make_node(rules, node, desk, number, _DESK_PLACE + position)
                for position, node in enumerate(rules.nodes, 1)
            ),
            *((server,) if server else ()),
        )
    )


def make_server(rules: GroupRules) -> Member | None:
    """Return the event's server; None: there is none."""
    choice = rules.server
    if choice is None:
        return None
    name = rules.server_machine
    spec = MachineSpec(
        name=name,
        owner="",
        image=choice.image,
        memory_mib=choice.memory_mib,
        cpus=choice.cpus,
        internet=choice.internet,
        allowed=choice.allowed,
        volume=VolumeSpec(name, choice.volume_mib, SERVER_MOUNT) if choice.volume_mib else None,
        host_name=SERVER,
        bandwidth=rules.bandwidth,
        role=MachineRole.SERVER,
    )
    card = _make_card(rules, EVENT, SERVER_PLACE, (SERVER,), ())
    return Member(SERVER, _with_card(spec, card), ready=choice.ready)


def make_desk_card(rules: GroupRules, number: int) -> Card | None:
    """Return the card of a trainee's desk; None: there is no network."""
    names = (f"{DESK}-{trainee_label(number)}",)
    return _make_card(rules, number, _DESK_PLACE, names, (DESK,))


def trainee_label(number: int) -> str:
    """Return what the names of a trainee's machines have in common: "t07"."""
    return f"t{number:02d}"


def _make_node(
    rules: GroupRules, node: NodeChoice, desk: MachineSpec, number: int, place: int
) -> Member:
    name = node_name(desk.name, node.name)
    spec = MachineSpec(
        name=name,
        owner=desk.owner,
        image=node.image,
        memory_mib=node.memory_mib,
        cpus=node.cpus,
        internet=node.internet,
        allowed=node.allowed,
        volume=VolumeSpec(name, node.volume_mib) if node.volume_mib else None,
        host_name=node.name,
        bandwidth=rules.bandwidth,
        server=desk.server,
        role=MachineRole.NODE,
    )
    names = (f"{node.name}.{trainee_label(number)}",)
    card = _make_card(rules, number, place, names, (node.name,))
    return Member(node.name, _with_card(spec, card), node.after, node.ready)


def _with_card(spec: MachineSpec, card: Card | None) -> MachineSpec:
    """Return the machine in its network, where its first name there is its host name."""
    return replace(spec, card=card, host_name=card.names[0]) if card else spec


def _make_card(
    rules: GroupRules, number: int, place: int, names: tuple[str, ...], own: tuple[str, ...]
) -> Card | None:
    if rules.network is None or rules.addresses is None:
        return None
    address = rules.addresses.address(number, place)
    return Card(
        network=rules.network,
        mac=":".join(["02", "00", *(f"{byte:02x}" for byte in address.packed[:4])]),
        address=address,
        trainee=trainee_label(number) if number != EVENT else "",
        names=names,
        own_names=own,
    )
