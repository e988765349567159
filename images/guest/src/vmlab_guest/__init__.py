"""The agent inside every VMLab machine.

It takes the seed over virtio-serial, makes the machine its trainee's own, starts the single-user
server and delivers exercises. docs/protocols.md is the contract with the hub's side. Standard
library only, and every import counts: it runs while a trainee waits.
"""

from __future__ import annotations

from vmlab_protocol import __version__

__all__ = ["__version__"]
