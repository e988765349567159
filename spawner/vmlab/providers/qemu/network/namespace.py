"""The namespace of an event's network, who holds it, and what is set in it.

A namespace is there as long as a process is in it. The keeper is; so that the network outlives it,
a second process is, which does nothing: `sleep infinity`. It has a lock by which the next keeper
finds it. Standard library only.

ref: namespaces(7), user_namespaces(7), setns(2), capabilities(7)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from pathlib import Path

from vmlab.network.uplink import enter_namespace
from vmlab.system.environment import tool_environment
from vmlab.system.locks import lock_holder, take_lock

HOLDER_LOCK = "holder.lock"

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION = 0x20080522
_NET_BIND_SERVICE, _NET_ADMIN, _NET_RAW = 10, 12, 13
_KEPT = (_NET_BIND_SERVICE, _NET_ADMIN, _NET_RAW)
_MOST_CAPABILITIES = 64

_SETTINGS = {
    # Where br_netfilter is loaded, rules for routed packets would be applied to ours as well.
    "bridge/bridge-nf-call-iptables": "0",
    "bridge/bridge-nf-call-ip6tables": "0",
    "bridge/bridge-nf-call-arptables": "0",
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}
"""Below /proc/sys/net, which shows the values of the namespace of who opens it."""


def enter() -> bool:
    """Enter the network's namespace, making it unless somebody holds it; tell whether it was there.

    Of all rights, those to shape this network are left, for good.

    Raises:
        OSError: the kernel refused.
    """
    holder = lock_holder(HOLDER_LOCK)
    if holder is not None:
        _join(holder)
        drop_rights()
        return True
    enter_namespace()
    apply_settings()
    drop_rights()
    hold()
    return False


def _join(pid: int) -> None:
    kinds = [("net", _CLONE_NEWNET)]
    if os.geteuid() != 0:
        kinds.insert(0, ("user", _CLONE_NEWUSER))
    libc = ctypes.CDLL(None, use_errno=True)
    for name, flag in kinds:
        descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        try:
            if libc.setns(descriptor, flag) != 0:
                code = ctypes.get_errno()
                raise OSError(code, f"the network's namespace cannot be entered: process {pid}")
        finally:
            os.close(descriptor)


def apply_settings() -> None:
    """Set in this namespace what its bridge needs, before anything passes."""
    for name, value in _SETTINGS.items():
        with contextlib.suppress(FileNotFoundError):  # a kernel without it needs it not
            Path("/proc/sys/net", name).write_text(value)


def hold() -> None:
    """Leave a process in the namespace that outlives this one; no-op if there is one.

    Raises:
        OSError: it did not start.
    """
    if lock_holder(HOLDER_LOCK) is not None:
        return
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(null, standard)
            take_lock(HOLDER_LOCK, inherit=True)
            # Which closes `writing`.
            os.execvpe("sleep", ["sleep", "infinity"], env=tool_environment())  # noqa: S606
        finally:
            os._exit(127)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    if lock_holder(HOLDER_LOCK) != pid:
        raise OSError("the process that is to hold the network's namespace did not start")


def drop_rights() -> None:
    """Keep of all rights those to shape this network, for good.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_MOST_CAPABILITIES):
        if capability not in _KEPT:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where there is none such
    kept = sum(1 << capability for capability in _KEPT)
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    data = struct.pack("6I", kept, kept, 0, 0, 0, 0)  # effective, permitted, inheritable; low, high
    if libc.capset(header, data) != 0 or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the keeper of a network cannot drop its rights")


def let_go() -> None:
    """End the process that holds the namespace; no-op if there is none."""
    pid = lock_holder(HOLDER_LOCK)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the child of a keeper that has died
            os.waitpid(pid, 0)
