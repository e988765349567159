"""The network namespace of one machine, and its cable to the internet where the lab allows it.

Standard library only, as the shim that calls it. Without a speed limit slirp4netns(1) plugs its
cable into the machine's namespace. A limit needs one more namespace: Linux shapes what leaves an
interface, not what enters it (the `police` action that could is a module not every kernel has), so
the download is shaped where it leaves a bridge towards the machine.

    machine's namespace            one between                  host
    machine ── uplink0 ═══════════ cable0 ─ bridge0 ─ tap0 ════ slirp4netns
               tbf: upload         tbf: download
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

UPLINK = "uplink0"
_TAP, _BRIDGE, _CABLE = "tap0", "bridge0", "cable0"
_NETWORK = "10.0.3.0/24"
_ADDRESS = "10.0.3.100/24"  # slirp4netns(1): what --configure gives, and its gateway
_GATEWAY = "10.0.3.2"
_MTU = 65520
_SHAPE = "burst 256kb latency 50ms"  # tc-tbf(8); a burst holds several packets of that size


def enter_namespace() -> None:
    """Leave the host's network for an empty one in which only loopback exists.

    Without root the network namespace is in a user namespace in which this user is root, so that
    loopback may be brought up; outside it has no right more than before.

    Raises:
        OSError: the kernel makes no such namespace for this user.
    """
    uid, gid = os.geteuid(), os.getegid()  # inside, before the maps are written, both are nobody
    _unshare(_CLONE_NEWNET if uid == 0 else _CLONE_NEWNET | _CLONE_NEWUSER)
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _set_up_loopback()


def enter_namespace_with_internet(bytes_per_s: int, unreachable: Sequence[str]) -> None:
    """As `enter_namespace`, with the internet behind `uplink0`.

    Args:
        bytes_per_s: the limit each way; 0: none.
        unreachable: networks that stay out of reach, the host's own above all.

    Raises:
        OSError: as `enter_namespace`.
        RuntimeError: slirp4netns did not start.
        subprocess.SubprocessError: ip(8) or tc(8) refused.
    """
    inner_pid = os.getpid()
    entered_read, entered_write = os.pipe()
    exit_read, exit_write = os.pipe()  # its last writer is this process: slirp4netns ends with us
    ready_read, ready_write = os.pipe()
    if os.fork() == 0:
        for descriptor in (entered_write, exit_write, ready_read):
            os.close(descriptor)
        os.read(entered_read, 1)
        _become_slirp(inner_pid, exit_read, ready_write, configure=not bytes_per_s)
    for descriptor in (entered_read, exit_read, ready_write):
        os.close(descriptor)
    enter_namespace()
    os.write(entered_write, b"1")
    os.close(entered_write)
    if os.read(ready_read, 1) != b"1":
        raise RuntimeError("slirp4netns did not bring up the machine's internet (is it installed?)")
    os.close(ready_read)
    if bytes_per_s:
        _move_behind_a_shaped_cable(f"{bytes_per_s * 8}bit")
    _run("ip", "-batch", "-", script=[f"route add unreachable {each}" for each in unreachable])


def _become_slirp(inner_pid: int, exit_read: int, ready: int, *, configure: bool) -> NoReturn:
    """In the forked child, outside: become the slirp4netns of the namespace of `inner_pid`."""
    for descriptor in (exit_read, ready):
        os.set_inheritable(descriptor, True)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    words = [
        # The sandbox leaves it one right, to bind ports, and no file of the host.
        "slirp4netns", f"--mtu={_MTU}", "--disable-host-loopback",
        "--enable-sandbox", "--enable-seccomp", *(["--configure"] if configure else []),
        f"--cidr={_NETWORK}", f"--exit-fd={exit_read}", f"--ready-fd={ready}",
        str(inner_pid), UPLINK if configure else _TAP,
    ]  # fmt: skip
    try:
        os.execvp(words[0], words)  # noqa: S606 - a fixed program with words of ours
    except OSError:
        os._exit(127)  # the reader of `ready` sees end of file and says what is missing


def _move_behind_a_shaped_cable(rate: str) -> None:
    """Leave this namespace to slirp4netns and a bridge, for a new one at the end of a cable."""
    # Nobody else lives in the namespace that is left: this descriptor keeps it, as long as we live.
    between = os.open("/proc/self/ns/net", os.O_RDONLY)
    _unshare(_CLONE_NEWNET)
    _set_up_loopback()
    outside = ["nsenter", f"--net=/proc/self/fd/{between}", "--"]
    peer = f"peer name {UPLINK} mtu {_MTU} netns {os.getpid()}"
    _run(
        *outside, "ip", "-batch", "-", keep=[between],
        script=[
            f"link add {_BRIDGE} type bridge",
            f"link add {_CABLE} mtu {_MTU} type veth {peer}",
            *(f"link set {each} mtu {_MTU} master {_BRIDGE} up" for each in (_TAP, _CABLE)),
            f"link set {_BRIDGE} up",
        ],
    )  # fmt: skip
    shape = f"root tbf rate {rate} {_SHAPE}"
    _run(*outside, "tc", *f"qdisc add dev {_CABLE} {shape}".split(), keep=[between])
    _run(
        "ip", "-batch", "-",
        script=[
            f"addr add {_ADDRESS} dev {UPLINK}",
            f"link set {UPLINK} up",
            f"route add default via {_GATEWAY}",
        ],
    )  # fmt: skip
    _run("tc", *f"qdisc add dev {UPLINK} {shape}".split())


def _run(*words: str, script: Sequence[str] = (), keep: Sequence[int] = ()) -> None:
    """Run a program with those lines as its input; raises CalledProcessError if it refuses."""
    lines = "".join(f"{line}\n" for line in script)
    subprocess.run(words, input=lines, pass_fds=keep, text=True, check=True)


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"no network namespace can be made: {os.strerror(code)}")


def _set_up_loopback() -> None:
    # ref: netdevice(7): struct ifreq is a name of 16 bytes and the flags
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
