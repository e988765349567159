"""How long a machine may take."""

from __future__ import annotations

from dataclasses import dataclass

from vmlab.providers.qemu.process.accelerator import Accelerator


@dataclass(frozen=True)
class Deadlines:
    """Limits in seconds."""

    boot_s: float  # from power-on to the agent's first word
    resume_s: float  # the same for a clone
    park_s: float  # all that a machine loads before it is parked, or before it waits in the pool
    seed_s: float  # all that the agent does with a seed
    shutdown_s: float  # from the power button to the end


# Software emulation is ten to fifty times slower, and more when twenty machines boot at once.
DEADLINES = {
    Accelerator.KVM: Deadlines(boot_s=120, resume_s=10, park_s=120, seed_s=60, shutdown_s=30),
    Accelerator.TCG: Deadlines(boot_s=900, resume_s=60, park_s=600, seed_s=300, shutdown_s=90),
}
