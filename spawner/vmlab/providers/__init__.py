"""The engines that run machines; `base` is their contract, this module chooses one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vmlab.errors import ConfigError
from vmlab.model import Allowance, StartStyle
from vmlab.providers.base import Provider


@dataclass(frozen=True)
class ProviderSettings:
    """Which provider and where it keeps things: everything that makes two providers the same."""

    name: str  # "qemu" or "fake"
    state: Path
    cache: Path
    accelerator: str = "auto"  # "auto", "kvm" or "tcg"
    start_style: StartStyle = StartStyle.AUTO
    pool: int = 0  # machines kept ready ahead
    overcommit: float = 1.0  # how many times the host's memory is promised to machines
    allowance: Allowance = field(default_factory=Allowance)


@cache
def make_provider(settings: ProviderSettings) -> Provider:
    """Return the provider for these settings; one object a process, so that its locks are shared.

    Raises:
        ConfigError: no provider of that name.
    """
    if settings.name == "qemu":
        from vmlab.providers.qemu.provider import QemuProvider  # noqa: PLC0415 - heavy import

        return QemuProvider(settings)
    if settings.name == "fake":
        from vmlab.providers.fake import FakeProvider  # noqa: PLC0415 - not for production

        return FakeProvider(settings)
    raise ConfigError(
        f"provider {settings.name!r} does not exist", hint="use 'qemu', or 'fake' for tests"
    )
