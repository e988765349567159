"""Names of machines, volumes and networks, from user and server name. Pure.

Guarantees, for any two strings of any length:

- the result matches `[a-z][a-z0-9-]*[a-z0-9]` and has at most 40 characters: it is a valid DNS
  label, file name, systemd unit part and name of a process, and never looks like a path or an
  option;
- the same user and server always give the same name;
- different users or servers give different names: a hash of both (48 bits of SHA-256, with a
  separator that neither can contain unescaped) is always part of it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 40
_SLUG_LENGTH = 20
_HASH_LENGTH = 12
_PLAIN = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MADE = re.compile(rf"-[0-9a-f]{{{_HASH_LENGTH}}}$")


def machine_name(user: str, server: str = "") -> str:
    """Return the name of a trainee's own machine.

    Example:
        >>> machine_name("Ada Lovelace")
        'desk-ada-lovelace-a1f74eda4429'
    """
    return f"desk-{_slug(user)}-{_digest(user, server)}"


def volume_name(user: str, server: str = "") -> str:
    """Return the name of the volume that belongs to this user's server."""
    return f"home-{_slug(user)}-{_digest(user, server)}"


def is_desk(machine: str) -> bool:
    """Tell whether a machine of this name is a trainee's own, and not a further one."""
    return machine.startswith("desk-")


def is_home(volume: str) -> bool:
    """Tell whether a volume of this name is a home folder's, and not one of a further machine."""
    return volume.startswith("home-")


def host_name(user: str) -> str:
    """Return a short readable host name; unlike the others not unique."""
    return f"desk-{_slug(user)}"


def folder_name(user: str) -> str:
    """Return the name of a person's folder on a file server: the account's own where it can be.

    Example:
        >>> folder_name("ada"), folder_name("Ada Lovelace")
        ('ada', 'ada-lovelace-a1f74eda4429')
    """
    made = f"{_slug(user)}-{_digest(user, '')}"
    if not made[0].isalpha():
        made = f"x-{made}"
    # What looks like a name made here may be somebody else's.
    return user if _PLAIN.fullmatch(user) and not _MADE.search(user) else made


def node_name(desk: str, node: str) -> str:
    """Return the name of a further machine of the trainee whose desk has this name.

    It follows from the desk's name, so it stays when the user is renamed. Its volume has the same
    name. Different desks or nodes give different names.

    Args:
        desk: a result of `machine_name`.
        node: what the lab calls the machine: small letters and digits, at most 20.

    Example:
        >>> node_name("desk-ada-lovelace-a1f74eda4429", "node1")
        'node1-ada-lovelace-a1f74eda4429'
    """
    slug, _, digest = desk.removeprefix("desk-").rpartition("-")
    room = MAX_LENGTH - len(node) - len(digest) - 2
    return f"{node}-{slug[:room].strip('-')}-{digest}"


def event_name(lab: str) -> str:
    """Return the name of the network of an event with this lab."""
    return f"event-{_slug(lab)}-{_digest(lab, '')}"


def event_server_name(lab: str) -> str:
    """Return the name of the machine that all trainees of the event share, and of its volume."""
    return f"server-{_slug(lab)}-{_digest(lab, '')}"


def _slug(text: str) -> str:
    """Return the readable part: lower-case ASCII letters and digits, single dashes."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:_SLUG_LENGTH].strip("-")
    return slug or "x"


def _digest(user: str, server: str) -> str:
    # The length in front keeps ("ab", "c") and ("a", "bc") apart whatever they contain.
    raw_user = user.encode("utf-8", "surrogatepass")
    raw = b"%d:%s%s" % (len(raw_user), raw_user, server.encode("utf-8", "surrogatepass"))
    return hashlib.sha256(raw).hexdigest()[:_HASH_LENGTH]
