"""A plugin in C with the interface of `narval.plugins.plugin`."""

from __future__ import annotations

from narval.errors import NarvalError
from narval.plugins.native import Call, EndOfDataError, Instance, Library, PluginRole
from narval.plugins.plugin import Consumer, EndOfData, Filter, Plugin, Producer, Run


class NativePlugin(Plugin):
    """The calls that all roles share."""

    def __init__(self, library: Library) -> None:
        super().__init__()
        self._library = library
        self._instance: Instance | None = None

    @property
    def instance(self) -> Instance:
        """What process_register gave this actor.

        Raises:
            NarvalError: it was not loaded.
        """
        if self._instance is None:
            raise NarvalError(f"{self._library.path.name} is not loaded")
        return self._instance

    def config(self, directory: str) -> None:
        """Call process_config and process_register."""
        self._library.configure(directory)
        self._instance = self._library.register()

    def initialise(self) -> None:
        """Call process_initialise."""
        self.instance.call(Call.INITIALISE)

    def start(self, run: Run) -> None:  # noqa: ARG002 - a plugin in C is not told of the run
        """Call process_start."""
        self.instance.call(Call.START)

    def stop(self) -> None:
        """Call process_stop."""
        self.instance.call(Call.STOP)

    def pause(self) -> None:
        """Call process_pause."""
        self.instance.call(Call.PAUSE)

    def resume(self) -> None:
        """Call process_resume."""
        self.instance.call(Call.RESUME)

    def reset(self) -> None:
        """Call process_reset."""
        self.instance.call(Call.RESET)

    def unload(self) -> None:
        """Call process_unload, and give the library back."""
        try:
            self.instance.call(Call.UNLOAD)
        finally:
            self._instance = None
            self._library.close()


class NativeProducer(NativePlugin, Producer):
    """A library whose process_block fills a buffer."""

    def produce(self, output: memoryview) -> int:
        """Call process_block."""
        try:
            return self.instance.produce(output)
        except EndOfDataError as error:
            raise EndOfData(str(error)) from None


class NativeFilter(NativePlugin, Filter):
    """A library whose process_block makes output of input."""

    def filter(self, data: memoryview, output: memoryview) -> int:
        """Call process_block."""
        return self.instance.filter(data, output)


class NativeConsumer(NativePlugin, Consumer):
    """A library whose process_block takes input."""

    def consume(self, data: memoryview) -> None:
        """Call process_block."""
        self.instance.consume(data)


NATIVE: dict[PluginRole, type[NativePlugin]] = {
    PluginRole.PRODUCER: NativeProducer,
    PluginRole.FILTER: NativeFilter,
    PluginRole.CONSUMER: NativeConsumer,
}
