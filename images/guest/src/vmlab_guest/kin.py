"""SSH to the other machines of the same trainee: the settings of ssh, and the machine's own key.

    /etc/ssh/ssh_config.d/10-vmlab.conf      what these machines are called
    /etc/ssh/vmlab_known_hosts               who says that they are the right ones
    /run/vmlab/kin/{trainee,root}            the key, for each user a file of their own

The key is in memory, not on a disk: neither a copy of the home nor a machine that was set aside
holds it. It comes again with each seed.
"""

from __future__ import annotations

from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, TRAINEE, System, inside
from vmlab_protocol.machine import TRAINEE_UID
from vmlab_protocol.seed import Kin

_CONFIG = "/etc/ssh/ssh_config.d/10-vmlab.conf"
_KNOWN_HOSTS = "/etc/ssh/vmlab_known_hosts"
_KEYS = f"{RUN}/kin"
_HEADER = "# Written by the VMLab agent at each start.\n"


def apply_kin(system: System, kin: Kin | None) -> None:
    """Let both users log in to these machines without a question; None: to no machine any more.

    Raises:
        OSError: the file system refused.
    """
    config, known, keys = inside(system, _CONFIG), inside(system, _KNOWN_HOSTS), system.root / _KEYS
    if kin is None:
        config.unlink(missing_ok=True)
        known.unlink(missing_ok=True)
        for user in (TRAINEE, "root"):
            (keys / user).unlink(missing_ok=True)
        return
    for user, uid in ((TRAINEE, TRAINEE_UID), ("root", 0)):
        ensure_file(keys / user, kin.private, 0o600)
        system.give(keys / user, uid)
    ensure_file(known, make_known_hosts(kin))
    ensure_file(config, make_config(kin))


def make_config(kin: Kin) -> str:
    """Return the settings of ssh. A user's own come first, and are right for that user.

    Whatever a machine is asked for by, its host certificate is for its unique name: one of somebody
    else's machines, which also has a `desk`, does not fit.
    """
    hosts = "".join(
        f"Host {' '.join(host.names)}\n    HostKeyAlias {host.machine}\n" for host in kin.hosts
    )
    names = " ".join(name for host in kin.hosts for name in host.names)
    return (
        f"{_HEADER}{hosts}"
        f"Host {names}\n"
        f"    IdentityFile /{_KEYS}/%u\n"
        f"    GlobalKnownHostsFile {_KNOWN_HOSTS}\n"
        "    UpdateHostKeys no\n"
        "    StrictHostKeyChecking yes\n"
    )


def make_known_hosts(kin: Kin) -> str:
    """Return who signs the host keys of these machines."""
    machines = ",".join(host.machine for host in kin.hosts)
    authority = " ".join(kin.authority.split()[:2])
    return f"{_HEADER}@cert-authority {machines} {authority}\n"
