"""Which frames pass in an event's network: rules for nft(8). Pure.

Everything is dropped that is not named here. A frame is looked at where it comes in (`inward`): a
port may send with its machine's card and address only, ARP included, and only IPv4. Then where it
goes out to each port (`across`): who may meet whom. Rates are limited for each port by itself, and
the kernel remembers for a minute whose frames were over a limit.

Only what kernels of Debian 12 and of small VMs have: no connection tracking between bridge ports,
so that a rule on TCP looks at the first segment of a connection, and fragments of TCP, which could
hide it, are dropped.

ref: nft(8); docs/decisions/0029
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmlab.model import Meeting, NetworkSpec
from vmlab.providers.qemu.network.layout import BRIDGE, BRIDGE_MAC, Member, names_address

TABLE = "bridge event"
FLOODING = "flooding"
"""The set of ports whose frames were over a limit in the last minute."""

FENCED_PORTS = (22, 8888)
"""SSH and the single-user server: for machines of the same trainee only."""


@dataclass(frozen=True)
class Rates:
    """What a port may send; what is more is dropped."""

    group_frames: int = 200  # a second, to all or to many: every machine must look at each
    group_burst: int = 400
    bridge_frames: int = 200  # a second, to the network itself, which answers for names
    bridge_burst: int = 600
    datagram_kbytes: int = 25_000  # a second, of all but TCP, which slows down by itself
    datagram_burst_kbytes: int = 2_000
    datagram_frames: int = 20_000  # a second
    datagram_frames_burst: int = 20_000
    all_kbytes: int = 250_000  # a second: twice what a port takes, so TCP never comes here
    all_burst_kbytes: int = 8_000
    all_frames: int = 200_000
    all_frames_burst: int = 200_000
    remembered_s: int = 60  # for so long a port that sent more is known as flooding


RATES = Rates()

_LIMITERS = ("group", "self", "datagram_bytes", "datagram_frames", "all_bytes", "all_frames")


def make_table(spec: NetworkSpec, rates: Rates = RATES) -> str:
    """Return the rules of a network without members; read by nft, they replace the last ones."""
    limiters = "".join(
        f"  set {name} {{ type ifname; flags dynamic; size 65535; }}\n" for name in _LIMITERS
    )
    kept = f"{rates.remembered_s}s"
    return f"""\
table {TABLE}
delete table {TABLE}
table {TABLE} {{
  set pins {{ type ifname . ether_addr . ipv4_addr; }}
  set cards {{ type ifname . ether_addr; }}
  set shared {{ type ifname; }}
  map kin {{ type ifname : mark; }}
  set relatives {{ type mark . ifname; }}
  set {FLOODING} {{ type ifname; flags dynamic,timeout; size 65535; timeout {kept}; }}
{limiters}\
  counter spoofed {{ }}
  counter flooded {{ }}
  counter fenced {{ }}
{_inward(rates)}\
{_across(spec.meeting)}\
}}
{_own(spec)}"""


def _inward(rates: Rates) -> str:
    def over(limiter: str, rate: str) -> str:
        return f"update @{limiter} {{ iifname limit rate over {rate} }} goto flood"

    group = f"{rates.group_frames}/second burst {rates.group_burst} packets"
    self = f"{rates.bridge_frames}/second burst {rates.bridge_burst} packets"
    datagram_bytes = (
        f"{rates.datagram_kbytes} kbytes/second burst {rates.datagram_burst_kbytes} kbytes"
    )
    datagrams = f"{rates.datagram_frames}/second burst {rates.datagram_frames_burst} packets"
    all_bytes = f"{rates.all_kbytes} kbytes/second burst {rates.all_burst_kbytes} kbytes"
    all_frames = f"{rates.all_frames}/second burst {rates.all_frames_burst} packets"
    return f"""\
  chain flood {{
    update @{FLOODING} {{ iifname timeout {rates.remembered_s}s }}
    counter name flooded drop
  }}
  chain spoof {{
    counter name spoofed drop
  }}
  chain inward {{
    type filter hook prerouting priority -300; policy drop;
    {over("all_frames", all_frames)}
    {over("all_bytes", all_bytes)}
    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 {over("group", group)}
    iifname . ether saddr != @cards goto spoof
    ether type arp goto arps
    ether type ip goto ips
    goto spoof
  }}
  chain arps {{
    ether daddr {BRIDGE_MAC} {over("self", self)}
    iifname . arp saddr ether . arp saddr ip @pins accept
    arp operation request arp saddr ip 0.0.0.0 iifname . ether saddr . arp daddr ip @pins accept
    goto spoof
  }}
  chain ips {{
    iifname . ether saddr . ip saddr != @pins goto spoof
    ip protocol tcp ip frag-off & 0x3fff != 0 counter name fenced drop
    ip protocol tcp accept
    ether daddr {BRIDGE_MAC} {over("self", self)}
    {over("datagram_frames", datagrams)}
    {over("datagram_bytes", datagram_bytes)}
    icmp type {{ redirect, router-advertisement, router-solicitation }} goto spoof
    udp sport {{ 67, 68, 137, 5353, 5355 }} goto spoof
    udp dport {{ 67, 68, 137, 5353, 5355 }} goto spoof
    ip protocol {{ icmp, igmp, udp }} accept
    counter name fenced drop
  }}
"""


def _across(meeting: Meeting) -> str:
    ports = ", ".join(map(str, FENCED_PORTS))
    others = (
        "accept"
        if meeting is Meeting.ALL
        else "iifname @shared accept\n    oifname @shared accept\n    counter name fenced drop"
    )
    return f"""\
  chain across {{
    type filter hook forward priority 0; policy drop;
    meta mark set iifname map @kin
    meta mark . oifname @relatives accept
    ip protocol tcp tcp dport {{ {ports} }} tcp flags & (syn | ack) == syn counter name fenced drop
    {others}
  }}
"""


def _own(spec: NetworkSpec) -> str:
    """Return what may reach the network itself: who asks for a name, and answers to the keeper."""
    address = names_address(spec)
    return f"""\
table inet own
delete table inet own
table inet own {{
  chain entry {{
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    iifname "{BRIDGE}" ip daddr {address} tcp flags & (syn | ack) != syn accept
    iifname "{BRIDGE}" ip daddr {address} udp dport 53 accept
    iifname "{BRIDGE}" ip daddr {address} icmp type echo-request accept
  }}
  chain through {{
    type filter hook forward priority 0; policy drop;
  }}
}}
"""


def make_members(members: Iterable[Member]) -> str:
    """Return what makes exactly these the network's members, in one step."""
    here = sorted(members, key=lambda member: member.machine)
    trainees = sorted({member.card.trainee for member in here})
    marks = {trainee: number for number, trainee in enumerate(trainees, start=1)}
    elements: dict[str, list[str]] = {name: [] for name in ("pins", "cards", "shared", "relatives")}
    kin = []
    for member in here:
        port, card = f'"{member.interface}"', member.card
        mark = f"{marks[card.trainee]:#010x}"
        elements["pins"].append(f"{port} . {card.mac} . {card.address.ip}")
        elements["cards"].append(f"{port} . {card.mac}")
        elements["relatives"].append(f"{mark} . {port}")
        kin.append(f"{port} : {mark}")
        if not card.trainee:
            elements["shared"].append(port)
    elements["kin"] = kin
    lines = [f"flush {'map' if name == 'kin' else 'set'} {TABLE} {name}" for name in elements]
    lines += [
        f"add element {TABLE} {name} {{ {', '.join(each)} }}"
        for name, each in elements.items()
        if each
    ]
    return "".join(f"{line}\n" for line in lines)
