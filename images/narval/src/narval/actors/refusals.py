"""What `configure` refuses besides mistakes of the file: programs, roles, arguments, files' names.

The coordinator, each actor's process and `narval topology check` use these same rules. Pure, but
for the import of the programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from narval.actors.catalogue import NotInstalledError, make_plugin
from narval.actors.file_writer import FileWriter
from narval.errors import NarvalError
from narval.links.output import FAN_OUT, parse_fan_out
from narval.plugins.plugin import Consumer, Filter, Merger, Plugin, Producer
from narval.topology.model import Actor, Role, Topology, is_loopback

_KINDS: Mapping[Role, tuple[type[Plugin], ...]] = {
    Role.PRODUCER: (Producer,),
    Role.INTERMEDIARY: (Filter, Merger),
    Role.CONSUMER: (Consumer,),
    Role.STAND_ALONE_ACTOR: (),
}


def make_fitting_plugin(binary_code: str, role: Role) -> Plugin:
    """Return what an actor of this program does.

    Raises:
        NarvalError: there is no such program, or it does not fit the role; as `make_plugin`.
    """
    plugin = make_plugin(binary_code)
    if isinstance(plugin, _KINDS[role]):
        return plugin
    fits = next(role for role, kinds in _KINDS.items() if isinstance(plugin, kinds))
    raise NarvalError(f"{binary_code} is a program for the role {fits}, not for {role}")


def set_arguments(arguments: Iterable[str], set_one: Callable[[str, str], None]) -> list[str]:
    """Set parameters by arguments of the form NAME=VALUE; return why which were refused."""
    refused = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        try:
            if not equals:
                raise NarvalError(f"the argument {argument[:60]!r} is not of the form NAME=VALUE")
            set_one(name.strip(), value.strip())
        except NarvalError as error:
            refused.append(str(error))
    return refused


def find_refusals(topology: Topology) -> Iterator[tuple[int, str]]:
    """Yield line and message of everything that `configure` refuses, whatever the hosts are."""
    writers: dict[tuple[str, str], str] = {}
    for actor in topology.actors:
        try:
            plugin = make_fitting_plugin(actor.binary_code, actor.role)
        except NotInstalledError as error:
            if is_loopback(actor.hostname):  # on another host it may be there
                yield actor.line, f"{actor.name!r}: {error}"
            continue
        except NarvalError as error:
            yield actor.line, f"{actor.name!r}: {error}"
            continue
        for refused in set_arguments(actor.arguments, _setter(plugin)):
            yield actor.line, f"{actor.name!r}: {refused}"
        if isinstance(plugin, FileWriter):
            yield from _same_file(actor, plugin, writers)


def _setter(plugin: Plugin) -> Callable[[str, str], None]:
    def set_one(name: str, value: str) -> None:
        if name == FAN_OUT:
            parse_fan_out(value)
        else:
            plugin.set(name, value)

    return set_one


def _same_file(
    actor: Actor, plugin: FileWriter, writers: dict[tuple[str, str], str]
) -> Iterator[tuple[int, str]]:
    """Yield a mistake if another writer of the run, whose folder all share, has the name."""
    name, kind = str(plugin.values["file"]), str(plugin.values["format"])
    other = writers.setdefault((name, kind), actor.name)
    if other != actor.name:
        files = f"{actor.name!r} would write the same files as {other!r}, {name}-000.{kind}"
        yield actor.line, f"{files}: give each a name, <argument>file=NAME</argument>"
