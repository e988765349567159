"""The generic actors: what they do is in a plugin, a shared library in C or a file in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.plugins.library import NATIVE
from narval.plugins.native import Enter, Library, PluginRole, tell_nobody
from narval.plugins.plugin import Consumer, Filter, Parameter, Plugin, Producer, Run
from narval.plugins.python import load_python_plugin


class GenericActor(Plugin):
    """An actor whose work is a plugin's.

    Attributes:
        enter: told which function of a plugin in C is called.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("library", "", "the plugin: a shared library, or a file that ends with .py"),
        Parameter("algo_path", "", "the folder that process_config is given"),
    )
    role: ClassVar[PluginRole]
    kind: ClassVar[type[Plugin]]

    def __init__(self) -> None:
        super().__init__()
        self.enter: Enter = tell_nobody
        self._plugin: Plugin | None = None
        self._waiting: dict[str, str] = {}  # parameters of a plugin that is not loaded yet

    @property
    def plugin(self) -> Plugin:
        """The plugin.

        Raises:
            NarvalError: none is loaded.
        """
        if self._plugin is None:
            raise NarvalError("no plugin is loaded")
        return self._plugin

    @property
    def title(self) -> str:
        """The plugin's file, and its name."""
        return f"{Path(str(self.values['library'])).name}: {self.plugin.title}"

    def set(self, name: str, value: str) -> None:
        """Set a parameter, ours or the plugin's; those of a plugin to come are kept for it."""
        if name in self.values:
            super().set(name, value)
        elif self._plugin is None:
            self._waiting[name] = value
        else:
            self._plugin.set(name, value)

    def config(self, directory: str) -> None:
        """Load the plugin.

        Raises:
            NarvalError: no library is named, it cannot be loaded, or it reported an error.
        """
        name = str(self.values["library"])
        if not name:
            raise NarvalError(
                "no library is named: set library FILE SUB_SYSTEM ACTOR, or in the topology "
                "<argument>library=FILE</argument>"
            )
        path = Path(name).expanduser()
        plugin: Plugin
        if path.suffix == ".py":
            plugin = load_python_plugin(path, self.kind)
        else:
            plugin = NATIVE[self.role](Library(path, self.role, self.enter))
        for parameter, value in self._waiting.items():
            plugin.set(parameter, value)
        plugin.config(str(self.values["algo_path"]) or directory)
        self._plugin = plugin

    def initialise(self) -> None:
        """Have the plugin make ready."""
        self.plugin.initialise()

    def start(self, run: Run) -> None:
        """Have the plugin begin a run."""
        self.plugin.start(run)

    def stop(self) -> None:
        """Have the plugin end a run."""
        self.plugin.stop()

    def pause(self) -> None:
        """Have the plugin stand still."""
        self.plugin.pause()

    def resume(self) -> None:
        """Have the plugin go on."""
        self.plugin.resume()

    def reset(self) -> None:
        """Have the plugin give up what it does; without one: no change."""
        if self._plugin is not None:
            self._plugin.reset()

    def unload(self) -> None:
        """Have the plugin give back everything, and forget it; without one: no change."""
        if self._plugin is not None:
            plugin, self._plugin = self._plugin, None
            plugin.unload()

    def monitor(self) -> dict[str, Any] | None:
        """Return the plugin's numbers."""
        return None if self._plugin is None else self._plugin.monitor()

    def losses(self) -> Mapping[str, int]:
        """Return what the plugin has lost."""
        return {} if self._plugin is None else self._plugin.losses()

    def ask(self, what: str, with_: Mapping[str, Any]) -> Any:
        """Ask the plugin."""
        return self.plugin.ask(what, with_)

    def all_values(self) -> dict[str, Any]:
        """Return the values of our parameters and the plugin's."""
        others = self._waiting if self._plugin is None else self._plugin.values
        return {**self.values, **others}


class GenericProducer(GenericActor, Producer):
    """Has a plugin make data."""

    role = PluginRole.PRODUCER
    kind = Producer

    def produce(self, output: memoryview) -> int:
        """Have the plugin fill a buffer."""
        producer: Producer = self._plugin  # type: ignore[assignment] # of `kind`, by then
        return producer.produce(output)


class GenericFilter(GenericActor, Filter):
    """Has a plugin make data of data."""

    role = PluginRole.FILTER
    kind = Filter

    def filter(self, data: memoryview, output: memoryview) -> int:
        """Have the plugin make output."""
        plugin: Filter = self._plugin  # type: ignore[assignment]
        return plugin.filter(data, output)


class GenericConsumer(GenericActor, Consumer):
    """Has a plugin take data."""

    role = PluginRole.CONSUMER
    kind = Consumer

    def consume(self, data: memoryview) -> None:
        """Have the plugin take a block."""
        consumer: Consumer = self._plugin  # type: ignore[assignment]
        consumer.consume(data)
