"""Which frames of one machine reach which others: each frame sent, each neighbour looked at.

Run as a program with a folder and a meeting; prints who received what, and what the network
answered. There are two events with the same addresses; all is sent in the first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from vmlab.model import Meeting
from vmlab.providers.qemu.network.networks import EventNetworks

from .event_machines import Plugged, card, event
from .event_sent import ME, OTHER, OWN, SERVER, Sender, mark_of, question_frames
from .frames import IPV4


def _received(
    machines: list[Plugged], sender: Plugged, relay: Plugged, number: int
) -> dict[str, list[bytes]]:
    """Return what each got until now: a frame of the sender's, then of one whom all hear.

    Ports keep the order of frames, so nothing that was sent before can come later.
    """
    mark = b"===== %d =====" % number
    sender.send(sender.datagram(relay, mark))
    seen = {relay.name: relay.receive_until(mark)}
    relay.send(relay.datagram(None, mark))
    for machine in machines:
        if machine is not relay:
            seen[machine.name] = machine.receive_until(mark)
    return seen


async def main(folder: Path, meeting: Meeting) -> None:
    """Send each frame and print where it arrived."""
    networks = EventNetworks(folder)
    farm, other_event = event("farm", meeting), event("other", meeting)
    try:
        for spec in (farm, other_event):
            await networks.ensure(spec)
        me, own, other, server = [
            await Plugged.plug(networks, name, card(farm, address, trainee, name))
            for name, address, trainee in (
                (ME, "10.77.1.1", "t01"),
                (OWN, "10.77.1.2", "t01"),
                (OTHER, "10.77.2.1", "t02"),
                (SERVER, "10.77.0.20", ""),
            )
        ]
        elsewhere, beside = [
            await Plugged.plug(networks, name, card(other_event, address, "t01", name))
            for name, address in (("desk-x", "10.77.2.1"), ("node1-x", "10.77.1.2"))
        ]
        machines = [me, own, other, server]
        received = {}
        for number, (name, frame) in enumerate(Sender(me, own, other, server).all()):
            assert name not in received, name
            me.send(frame)
            seen = _received(machines, me, server, number)
            received[name] = [
                who for who, got in seen.items() if any(mark_of(name) in f for f in got)
            ]
        answers = {}
        for name, frame in question_frames(me).items():
            answers[name] = sorted({_kind(f) for f in me.provoke(frame)})
        beside.send(beside.datagram(None, b"in the other event"))
        crossed = len(elsewhere.receive_until(b"in the other event"))
        told = {"kind": me.kind, "received": received, "answers": answers, "crossed": crossed}
        print(json.dumps(told))  # noqa: T201 - the answer
    finally:
        for spec in (farm, other_event):
            await networks.remove(spec.name)


def _kind(frame: bytes) -> str:
    """Return what an answer is: of ARP, or of which protocol of IPv4."""
    kind = int.from_bytes(frame[12:14])
    return f"{frame[23]}" if kind == IPV4 else f"{kind:#06x}"


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Meeting(sys.argv[2])))
