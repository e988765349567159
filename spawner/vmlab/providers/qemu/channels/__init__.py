"""Whom we speak with in a machine that runs: QEMU's monitor and the agent.

monitor       QMP, QEMU's control protocol
agent         the conversation with the agent, over virtio-serial
handover      hands the seed over and listens to how it is applied
activity      asks and tells machines at work: activity, a stop, a language
live          what is done to the volume of a machine that runs
live_volumes  the provider's side of that
"""
