"""Whom we speak with in a machine that runs: QEMU's monitor and the agent's port.

monitor       QMP, QEMU's control protocol
hotplug       what is plugged into a machine that runs, and out of it
agent         the stream to the agent, over virtio-serial
live          what is done to the volume of a machine that runs
live_volumes  the provider's side of that
"""
