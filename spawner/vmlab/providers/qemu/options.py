"""What the embedded provider can be told: [provider.qemu] of lab.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from traitlets import Enum, Float, Integer

from vmlab.lab.provider_options import ProviderOptions
from vmlab.model import StartStyle

_CORES_FOR_POOL: Final = 8


class QemuOptions(ProviderOptions):
    """Options of `vmlab.providers.qemu.provider.QemuProvider`."""

    provider: ClassVar[str] = "vmlab.providers.qemu.provider:QemuProvider"
    is_default: ClassVar[bool] = True
    old_keys: ClassVar[tuple[str, ...]] = ("accelerator", "pool", "overcommit")

    accelerator = Enum(
        ["auto", "kvm", "tcg"],
        default_value="auto",
        help="How QEMU runs guest code. 'auto' tries KVM and falls back to software emulation.",
    )
    start_style = Enum(
        [style.value for style in StartStyle],
        default_value=StartStyle.AUTO.value,
        help="How machines are started: 'auto' takes one of the pool, else clones the image's "
        "template, else boots; 'clone', 'boot' and 'plain' (a boot without VMLab's shortcuts) are "
        "for comparison.",
    )
    pool = Integer(
        0,
        min=0,
        max=999,
        help="How many machines are kept ready for trainees to come. A lab that does not say it "
        "has a number by the host's size.",
    )
    overcommit = Float(
        1.0,
        min=1.0,
        max=10.0,
        help="How many times the host's memory is promised to machines. 1: every machine can fill "
        "its memory at once; more: further machines are started, in the hope that they do not.",
    )

    @classmethod
    def complete(cls, chosen: Mapping[str, Any], trainees: int) -> dict[str, Any]:
        """Choose how many machines wait for trainees where the lab does not say it.

        A machine that waits costs memory, and its making a processor: a small host has neither to
        spare.
        """
        cores = len(os.sched_getaffinity(0))
        pool = min(trainees, cores // 2) if cores >= _CORES_FOR_POOL else 0
        return {"pool": pool, **chosen}
