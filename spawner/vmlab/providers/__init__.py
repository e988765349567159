"""The engines that run machines; `base` is their contract, this module chooses one.

base      the contract
settings  which provider a lab has, and its settings
fake      no machines at all: for tests and for simulating classes of any size
qemu      the embedded provider: one QEMU process per machine
"""

from __future__ import annotations

from functools import cache

from vmlab.errors import ConfigError
from vmlab.providers.base import Provider
from vmlab.providers.settings import ProviderSettings


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
