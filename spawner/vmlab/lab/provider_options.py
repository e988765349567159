"""[provider] of lab.toml: which provider, and a table of options for each one that is installed.

Providers plug in by entry points of the group `vmlab.providers`; each names a class of options,
whose traits describe what its table may hold. Nothing here knows a provider by name.

    [project.entry-points."vmlab.providers"]
    mine = "my_package:MyOptions"
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final, Self

from traitlets import Bool, Enum, Float, Integer, List, TraitError, Unicode
from traitlets.config import LoggingConfigurable

from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import Table, did_you_mean, show

GROUP: Final = "vmlab.providers"

Options = tuple[tuple[str, Any], ...]
"""What somebody chose, by name of the option, in the order of names: it can be a key."""


class ProviderOptions(LoggingConfigurable):
    """What a provider can be told: one trait for each option, with help, default and range.

    Bool, Enum, Float, Integer, Unicode and List(Unicode()) can be used in lab.toml.
    """

    provider: ClassVar[str]
    """The provider's class, "package.module:Name": it is imported only where it is used."""

    is_default: ClassVar[bool] = False
    """Whether a lab that names no provider has this one."""

    old_keys: ClassVar[tuple[str, ...]] = ()
    """Options that stood directly below [provider] before each provider had a table."""

    @classmethod
    def of(cls, options: Options) -> Self:
        """Return these options, checked.

        Raises:
            ConfigError: one is unknown, or has a value that it may not have.
        """
        if unknown := sorted(dict(options).keys() - own_traits(cls).keys()):
            guess = did_you_mean(unknown[0], own_traits(cls))
            raise ConfigError(f"{cls.__name__} has no option {unknown[0]!r}{guess}")
        try:
            return cls(**dict(options))
        except TraitError as error:
            raise ConfigError(f"an option of the provider is wrong: {error}") from error

    @classmethod
    def complete(cls, chosen: Mapping[str, Any], trainees: int) -> dict[str, Any]:  # noqa: ARG003
        """Return the options of a lab with so many trainees, where defaults depend on that."""
        return dict(chosen)


@cache
def installed_points() -> Mapping[str, EntryPoint]:
    """Return where each installed provider's options are, by its name; not loaded yet."""
    # Once: it reads a file of every package that is installed.
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def installed_providers() -> Mapping[str, type[ProviderOptions]]:
    """Return the options of each installed provider, by its name.

    Raises:
        ConfigError: one of them cannot be imported; names its package. Or VMLab's own are missing.
    """
    found = {name: _load(point) for name, point in sorted(installed_points().items())}
    if not any(kind.is_default for kind in found.values()):
        raise ConfigError(
            f"VMLab's own provider is not among the installed ones ({', '.join(found) or 'none'})",
            hint="this installation is older than its files: run `make lab`, or install it again",
        )
    return found


@cache
def default_provider() -> str:
    """Return the provider of a lab that names none; raises as `installed_providers`."""
    return next(name for name, kind in installed_providers().items() if kind.is_default)


@dataclass(frozen=True)
class ProviderChoice:
    """[provider]: what runs the machines."""

    name: str = field(default_factory=default_provider)
    options: Options = ()  # as written; what is left out has the provider's own default
    start_slots: int = 0  # machines that start at once; 0: as many as there are processors
    orphan_grace_s: float = 600.0  # how long a machine without a server is left running


def find_options(name: str) -> type[ProviderOptions]:
    """Return the options of an installed provider; others may be broken, and machines still end.

    Raises:
        ConfigError: there is none of this name; names those that are installed. Or it is broken.
    """
    points = installed_points()
    if name not in points:
        raise ConfigError(
            f"provider {name!r} is not installed{did_you_mean(name, points)}",
            hint="install the package that brings it, or choose another [provider] name",
        )
    return _load(points[name])


def _load(point: EntryPoint) -> type[ProviderOptions]:
    package = point.dist.name if point.dist else "?"
    try:
        kind: type[ProviderOptions] = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"provider {point.name!r} of package {package} cannot be loaded: {error}",
            hint=f"install a version of {package} for this VMLab, or uninstall it",
        ) from error
    return kind


def read_provider(table: Table) -> ProviderChoice:
    """Read the section with the tables of all installed providers, so that each mistake is told."""
    installed = installed_providers()
    name = table.word("name", installed, default_provider())
    chosen = {
        each: read_options(table, table.table(each), kind) for each, kind in installed.items()
    }
    return ProviderChoice(
        name=name,
        options=tuple(sorted(chosen[name].items())),
        start_slots=table.whole("start_slots", 0, minimum=0, maximum=256),
        orphan_grace_s=60 * table.number("orphan_grace", 10, minimum=0.01, maximum=1440),
    )


def read_options(section: Table, own: Table, kind: type[ProviderOptions]) -> dict[str, Any]:
    """Read what is written of a provider's options, in its own table or, as once, above it."""
    chosen: dict[str, Any] = {}
    for name, trait in sorted(own_traits(kind).items()):
        is_old = name in kind.old_keys and section.has(name)
        if own.has(name) and is_old:
            section.mistake(name, f"it is in [{'.'.join(map(str, own.path))}] too; remove this")
        if own.has(name) or is_old:
            chosen[name] = _read(own if own.has(name) else section, name, trait)
    try:
        kind(**chosen)
    except TraitError as error:  # a rule of the provider's own, beyond a single value's range
        section.mistake(str(own.path[-1]), str(error))
    return chosen


def own_traits(kind: type[ProviderOptions]) -> dict[str, Any]:
    """Return the options that a provider declares, without the traits of traitlets' own classes."""
    common = ProviderOptions.class_traits()
    return {name: trait for name, trait in kind.class_traits().items() if name not in common}


def _read(table: Table, name: str, trait: Any) -> Any:
    default = trait.default()
    if isinstance(trait, Enum):
        return table.word(name, tuple(trait.values or ()), default)
    if isinstance(trait, Bool):
        return table.flag(name, default)
    if isinstance(trait, Integer):
        low, high = _bounds(trait, 2**31)
        return table.whole(name, default, minimum=int(low), maximum=int(high))
    if isinstance(trait, Float):
        low, high = _bounds(trait, math.inf)
        return table.number(name, default, minimum=low, maximum=high)
    if isinstance(trait, Unicode):
        return table.text(name, default)
    if isinstance(trait, List):
        return table.texts(name, tuple(default))
    raise ConfigError(f"option {name!r}: {show(type(trait).__name__)} cannot be used in lab.toml")


def _bounds(trait: Any, most: float) -> tuple[float, float]:
    low = -most if trait.min is None else trait.min
    return low, most if trait.max is None else trait.max
