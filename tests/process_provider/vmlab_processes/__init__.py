"""Machines that are ordinary processes: the smallest provider that keeps the whole contract.

provider        the contract
folders         what a machine and a volume are on disk
machine         the process that plays a machine, with VMLab's own agent in it
carrier         carries the agent's words to whoever connects
sshd            the machine's sshd, where this host has one for tests
process_system  what the agent does to its machine, where that is a process
"""

from __future__ import annotations

from typing import ClassVar

from traitlets import Float

from vmlab.lab.provider_options import ProviderOptions


class ProcessOptions(ProviderOptions):
    """[provider.processes] of lab.toml."""

    provider: ClassVar[str] = "vmlab_processes.provider:ProcessProvider"

    boot_s = Float(0.0, min=0.0, max=60.0, help="How long a machine pretends to boot, in seconds.")
