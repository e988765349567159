"""The engines that run machines; `base` is their contract, this module chooses one.

base       the contract: what every provider can do
abilities  what only some can do
facts      what providers tell of themselves and their host
agent      what is said to the agent in a machine, for every engine
settings   which provider a lab has, and its settings
fake       no machines at all: for tests and for simulating classes of any size
qemu       the embedded provider: one process a machine

A provider is found by its entry point (`vmlab.lab.provider_options`), never by its name;
docs/providers.md tells how to write one.
"""

from __future__ import annotations

from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from vmlab.errors import ConfigError
from vmlab.providers.base import Provider

if TYPE_CHECKING:
    from vmlab.providers.settings import ProviderSettings


@cache
def make_provider(settings: ProviderSettings) -> Provider:
    """Return the provider for these settings; one object a process, so that its locks are shared.

    Raises:
        ConfigError: no provider of that name is installed, or it cannot be loaded.
    """
    # A machine's shim imports this package with the standard library only.
    from vmlab.lab.provider_options import find_options  # noqa: PLC0415

    where = find_options(settings.name).provider
    try:
        made: Provider = resolve_name(where)(settings)
    except (ImportError, AttributeError) as error:
        message = f"provider {settings.name!r} cannot be loaded from {where}: {error}"
        raise ConfigError(message) from error
    return made
