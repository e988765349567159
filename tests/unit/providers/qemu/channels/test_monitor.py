"""What is asked of QEMU, in which order, when it does not do it at once."""

from __future__ import annotations

from typing import cast

import pytest
from qemu.qmp.message import Message
from qemu.qmp.models import ErrorResponse
from qemu.qmp.qmp_client import ExecuteError, QMPClient

from vmlab.errors import ProviderError
from vmlab.providers.qemu.channels import hotplug
from vmlab.providers.qemu.channels.hotplug import EventCard, describe_port
from vmlab.providers.qemu.channels.monitor import Monitor
from vmlab.providers.qemu.network.port import Port, PortKind

DEVICES, NODE = [{"name": "snapshot0"}, {"name": "event0"}], {"node-name": "snapshot"}


class LingeringQemu:
    """A QEMU whose device goes after a few looks, and whose node is in use a while longer."""

    def __init__(self, looks: int, refusals: int) -> None:
        self.looks, self.refusals = looks, refusals
        self.asked: list[str] = []
        self.nodes = [NODE]
        self.lent: list[int] = []
        self.plugged: list[dict] = []

    def send_fd_scm(self, descriptor: int) -> None:
        self.lent.append(descriptor)

    async def execute(self, command: str, arguments: dict) -> object:
        self.asked.append(command)
        match command:
            case "netdev_add" | "device_add" | "getfd":
                self.plugged.append(arguments)
            case "qom-list":
                self.looks -= 1
                return DEVICES if self.looks >= 0 else []
            case "query-named-block-nodes":
                return self.nodes
            case "blockdev-del" if self.refusals:
                self.refusals -= 1
                assert self.looks < 0, "the device is still there"
                error = {"error": {"class": "GenericError", "desc": "Node snapshot is in use"}}
                raise ExecuteError(ErrorResponse(error), Message(), Message())
            case "blockdev-del":
                self.nodes = []
        return {}


def monitor_of(qemu: LingeringQemu) -> Monitor:
    return Monitor("desk-ada", cast("QMPClient", qemu))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hotplug, "_UNPLUG_POLL_S", 0.0)


@pytest.mark.parametrize("refusals", [0, 1, 5])
async def test_a_node_that_is_still_in_use_is_deleted_as_soon_as_it_is_not(refusals):
    qemu = LingeringQemu(looks=3, refusals=refusals)
    await monitor_of(qemu).unplug_snapshot()
    assert qemu.nodes == []
    assert qemu.asked.count("device_del") == 1
    assert qemu.asked.count("blockdev-del") == refusals + 1


async def test_a_node_that_stays_in_use_is_told_with_qemus_own_words(monkeypatch):
    monkeypatch.setattr(hotplug, "_UNPLUG_LIMIT_S", 0.2)
    qemu = LingeringQemu(looks=1, refusals=10**9)
    with pytest.raises(ProviderError, match=r"did not let go .* Node snapshot is in use"):
        await monitor_of(qemu).unplug_snapshot()


async def test_without_a_disk_nothing_is_done():
    qemu = LingeringQemu(looks=0, refusals=0)
    qemu.nodes = []
    await monitor_of(qemu).unplug_snapshot()
    assert not {"device_del", "blockdev-del"} & set(qemu.asked)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (PortKind.TAP, {"type": "tap", "fd": "event", "vhost": False}),
        (PortKind.DGRAM, {"type": "dgram", "local": {"type": "fd", "str": "event"}}),
    ],
)
async def test_the_card_of_an_event_is_joined_to_its_port(kind, words):
    assert describe_port(kind, "event") == words
    qemu = LingeringQemu(looks=0, refusals=0)
    card = EventCard(Port(kind, 77), "02:00:0a:4d:01:01")
    await monitor_of(qemu).plug_event_card(card)
    assert (qemu.asked, qemu.lent) == (["getfd", "netdev_add", "device_add"], [77])
    lent, netdev, device = qemu.plugged
    assert lent == {"fdname": "event"}
    assert netdev == {"id": "event", **words}
    assert (device["mac"], device["bus"], device["netdev"]) == (card.mac, "slot3", "event")


async def test_the_card_of_an_event_is_taken_out_when_the_guest_lets_go():
    qemu = LingeringQemu(looks=3, refusals=0)
    await monitor_of(qemu).unplug_event_card()
    assert (qemu.asked[1], qemu.asked[-1]) == ("device_del", "netdev_del")
    await monitor_of(qemu).unplug_event_card()
    assert qemu.asked.count("device_del") == 1, "it is gone"


async def test_a_guest_that_keeps_the_card_is_told_of(monkeypatch):
    monkeypatch.setattr(hotplug, "_UNPLUG_LIMIT_S", 0.2)
    with pytest.raises(ProviderError, match="the guest did not let go of its card"):
        await monitor_of(LingeringQemu(looks=10**9, refusals=0)).unplug_event_card()
