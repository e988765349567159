"""Names and numbers of a machine that both sides know."""

from __future__ import annotations

SERVER_PORT = 8888
"""Of the single-user server."""

SSH_PORT = 22
"""Of sshd."""

TRAINEE_UID = 1000

HOME = "/home/trainee"
"""The trainee's home: where the volume is mounted."""

HOME_SERIAL = "home"
"""Serial number of the volume's disk."""

SNAPSHOT_SERIAL = "snapshot"
"""Serial number of the disk of a snapshot that is looked at."""

MAX_FROZEN_S = 60
"""The longest that a host may keep the home frozen."""

PLAIN_AFTER_ENDS = 2
"""After so many ends in a row before it served, a server is in trouble; its machine then starts it
without the trainee's own settings."""


def disk_device(serial: str) -> str:
    """Return the path at which udev shows the disk of this serial number."""
    return f"/dev/disk/by-id/virtio-{serial}"
