"""What the kernel's NFS server and the quotas are told, made of a roster. Pure.

    >>> print(client_options(2001, 2001))
    rw,sync,sec=sys,insecure,no_subtree_check,all_squash,anonuid=2001,anongid=2001,fsid=2001

Whoever writes from an address writes as the person whose address it is: root in a trainee's
machine is nobody on the server. The folders above are never exported: what is exported below
another export is served under that one's options to everybody who may mount it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmlab_protocol.share import SHARED_PATH, Roster, Sharer, drop_path, own_path

TRAINERS_ID = 2000
"""User, group and project of what is shared."""

FIRST_ID = 2001
"""Of people: user, group and project of their files, in the order in which they came."""

_NOBODY = 65534
_ROOT = 0
# Numbers by which clients know an export, whatever disk it is on after a restart.
_DROP_FSID = 1_000_000
_ALL_DROPS_FSID = 1_999
_KIB = 1024
_FILES_PER_MIB = 64  # as mke2fs reckons: one for each 16 KiB


def client_options(user: int, fsid: int, *, writes: bool = True) -> str:
    """Return the options of an export for clients that act as this user."""
    return (
        f"{'rw' if writes else 'ro'},sync,sec=sys,insecure,no_subtree_check,"
        f"all_squash,anonuid={user},anongid={user},fsid={fsid}"
    )


def make_exports(roster: Roster, ids: Mapping[str, int]) -> str:
    """Return the roster as an exports(5) file.

    Args:
        ids: by folder, of every sharer.
    """
    lines = ["# Written by the VMLab agent."]
    for sharer in roster.sharers:
        user = ids[sharer.folder]
        lines += _export(own_path(sharer.folder), sharer, client_options(user, user))
        if not sharer.is_trainer:
            options = client_options(user, _DROP_FSID + user)
            lines += _export(drop_path(sharer.folder), sharer, options)
    lines += _shared(roster)
    return "\n".join(lines) + "\n"


def _export(path: str, sharer: Sharer, options: str) -> list[str]:
    clients = " ".join(f"{address}({options})" for address in sharer.addresses)
    return [f"{path} {clients}"] if clients else []  # without clients it would be everybody's


def _shared(roster: Roster) -> Iterator[str]:
    trainers = [address for s in roster.sharers if s.is_trainer for address in s.addresses]
    read = client_options(_NOBODY, TRAINERS_ID, writes=False)
    write = client_options(TRAINERS_ID, TRAINERS_ID)
    # An address goes before a range, in whatever order they stand (exports(5)).
    writers = "".join(f" {address}({write})" for address in trainers)
    yield f"{SHARED_PATH} {roster.readers}({read}){writers}"
    if trainers:
        # Root, so that no mode keeps them from reading; read-only, so that it is good for no more.
        collect = client_options(_ROOT, _ALL_DROPS_FSID, writes=False)
        yield drop_path() + "".join(f" {address}({collect})" for address in trainers)


def make_quotas(roster: Roster, ids: Mapping[str, int]) -> str:
    """Return the limits as `setquota -b` reads them: project, KiB twice, files twice."""
    limits = {TRAINERS_ID: roster.shared_quota_mib}
    limits |= {ids[sharer.folder]: sharer.quota_mib for sharer in roster.sharers}
    rows = []
    for project, mib in sorted(limits.items()):
        kib, files = mib * _KIB, mib * _FILES_PER_MIB
        rows.append(f"{project} {kib} {kib} {files} {files}\n")
    return "".join(rows)
