"""`vmlab-agent`: run by vmlab-agent.service from early in boot until the machine ends."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from vmlab_guest import __version__
from vmlab_guest.agent import Agent, find_port
from vmlab_guest.apply import is_seeded, read_hub_env
from vmlab_guest.delivery import HubCourses
from vmlab_guest.system import LinuxSystem, System
from vmlab_guest.threads import attempt
from vmlab_guest.udev import release_events

_PORT_DEADLINE_S = 3600.0  # asked 20 times a second, until the port is there


def main() -> int:
    """Serve the port; returns when it is gone, to be started again by systemd."""
    parser = argparse.ArgumentParser(
        prog="vmlab-agent", description="The agent in a VMLab machine."
    )
    parser.add_argument("--port", type=Path, help="device to talk through (default: found in /sys)")
    parser.add_argument("--version", action="version", version=__version__)
    arguments = parser.parse_args()
    system: System = LinuxSystem()
    os.umask(0o022)
    port = arguments.port or system.wait_for(lambda: find_port(system), _PORT_DEADLINE_S)
    if port is None:
        system.log("no virtio-serial port for the agent appeared")
        return 1
    courses = HubCourses(system)
    agent = Agent(system, courses, os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    if is_seeded(system):  # the agent was restarted: take things up where they were
        attempt(system.log, "held back events", lambda: release_events(system))
        attempt(system.log, "recovery", agent.recover)
        attempt(system.log, "courses", lambda: courses.resume(read_hub_env(system)))
    system.announce(f"agent {__version__} listens")
    try:
        agent.serve()
    except OSError as error:
        system.log(f"the port failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
