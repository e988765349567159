"""Whom we speak with in a machine that runs: QEMU's monitor and the agent."""
