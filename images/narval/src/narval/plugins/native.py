"""Plugins in C: shared libraries with the functions of include/narval_plugin.h.

A library is loaded into the actor's own process: one that crashes takes its actor with it, and
nothing else.

ref: AGATA PSA and Tracking Algorithm Integration (J. Cresswell), as in ganil_mesytec_data,
zmq_narval_receiver.h.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from narval.errors import NarvalError

Enter = Callable[[str], None]
"""Told the name of the function that is called next, and "" afterwards."""


def tell_nobody(_symbol: str) -> None:
    """Hear it and do nothing."""


END_OF_DATA = 66
"""Not an error by GRU's convention: there is no more to read."""

_MANDATORY = ("process_config", "process_register", "process_block")
_HANDLE = ctypes.c_void_p
_SIZE = ctypes.c_uint
_CODE = ctypes.POINTER(ctypes.c_uint)


class PluginRole(StrEnum):
    """What a plugin's process_block takes."""

    PRODUCER = "producer"
    FILTER = "filter"
    CONSUMER = "consumer"


class Call(StrEnum):
    """The functions that a library may have or not."""

    INITIALISE = "process_initialise"
    START = "process_start"
    STOP = "process_stop"
    PAUSE = "process_pause"
    RESUME = "process_resume"
    RESET = "process_reset"
    UNLOAD = "process_unload"


_BLOCK_ARGUMENTS: dict[PluginRole, list[Any]] = {
    PluginRole.PRODUCER: [_HANDLE, _HANDLE, _SIZE, _CODE, _CODE],
    PluginRole.FILTER: [_HANDLE, _HANDLE, _SIZE, _HANDLE, _SIZE, _CODE, _CODE],
    PluginRole.CONSUMER: [_HANDLE, _HANDLE, _SIZE, _CODE],
}


class PluginError(NarvalError):
    """A library that cannot be used, or a function of it that reported an error."""


class PluginCodeError(PluginError):
    """A function wrote something else than 0 to its error code."""

    def __init__(self, library: Path, symbol: str, code: int) -> None:
        self.symbol = symbol
        self.code = code
        super().__init__(f"{library.name}: {symbol} reported error {code}")


class EndOfDataError(PluginCodeError):
    """A plugin has no more data: the run is over for it."""


class Library:
    """A shared library that has been configured.

    Args:
        path: of the file.
        role: how its process_block is called.
        enter: told which function is called, for who looks after a crash.
    """

    def __init__(self, path: Path, role: PluginRole, enter: Enter = tell_nobody) -> None:
        self.path = path
        self.role = role
        self.enter = enter
        try:
            # RTLD_NOW: a missing symbol is told here, not in the middle of a run.
            self._library = ctypes.CDLL(str(path.absolute()), mode=2)
        except OSError as error:
            raise PluginError(f"{path}: it cannot be loaded: {error}") from error
        missing = [name for name in _MANDATORY if not hasattr(self._library, name)]
        if missing:
            raise PluginError(f"{path}: it lacks {', '.join(missing)}")
        self._block = self._library.process_block
        self._block.argtypes = _BLOCK_ARGUMENTS[role]
        self._block.restype = None

    def configure(self, directory: str) -> None:
        """Call process_config.

        Raises:
            PluginCodeError: it reported an error.
        """
        function = self._library.process_config
        function.argtypes, function.restype = [ctypes.c_char_p, _CODE], None
        code = ctypes.c_uint(0)
        buffer = ctypes.create_string_buffer(directory.encode())
        self.enter("process_config")
        function(buffer, ctypes.byref(code))
        self.enter("")
        self.check("process_config", code.value)

    def register(self) -> Instance:
        """Call process_register; one library may serve several actors.

        Raises:
            PluginCodeError: it reported an error.
        """
        function = self._library.process_register
        function.argtypes, function.restype = [_CODE], _HANDLE
        code = ctypes.c_uint(0)
        self.enter("process_register")
        handle = function(ctypes.byref(code))
        self.enter("")
        self.check("process_register", code.value)
        return Instance(self, self._block, handle)

    def call(self, which: Call, handle: int | None) -> bool:
        """Call an optional function; tell whether the library has it.

        Raises:
            PluginCodeError: it reported an error.
        """
        function = getattr(self._library, which, None)
        if function is None:
            return False
        function.argtypes, function.restype = [_HANDLE, _CODE], None
        code = ctypes.c_uint(0)
        self.enter(which)
        function(handle, ctypes.byref(code))
        self.enter("")
        self.check(which, code.value)
        return True

    def close(self) -> None:
        """Give the library back, so that a newer file of this name can be loaded; call no more.

        ctypes itself never does. ref: dlclose(3)
        """
        _ctypes.dlclose(self._library._handle)

    def check(self, symbol: str, code: int) -> None:
        """Raise what a function's error code means."""
        if code == END_OF_DATA:
            raise EndOfDataError(self.path, symbol, code)
        if code:
            raise PluginCodeError(self.path, symbol, code)


class Instance:
    """What one actor has of a library. Buffers are writable, such as bytearrays."""

    def __init__(self, library: Library, block: Callable[..., None], handle: int | None) -> None:
        self._library = library
        self._block = block
        self._handle = handle
        self._used = ctypes.c_uint(0)
        self._code = ctypes.c_uint(0)

    def call(self, which: Call) -> bool:
        """Call an optional function; raises as `Library.call`."""
        return self._library.call(which, self._handle)

    def produce(self, output: bytearray | memoryview) -> int:
        """Have a producer fill a buffer; return how many bytes it used.

        Raises:
            PluginCodeError, EndOfDataError: it reported an error, or has no more.
            PluginError: it says that it used more than there is.
        """
        self._begin()
        self._block(self._handle, _address(output), len(output), self._used, self._code)
        return self._end(len(output))

    def filter(self, data: bytearray | memoryview, output: bytearray | memoryview) -> int:
        """Have a filter make output of input; returns and raises as `produce`."""
        self._begin()
        self._block(
            self._handle,
            _address(data), len(data),
            _address(output), len(output), self._used, self._code,
        )  # fmt: skip
        return self._end(len(output))

    def consume(self, data: bytearray | memoryview) -> None:
        """Have a consumer take input; raises as `produce`."""
        self._begin()
        self._block(self._handle, _address(data), len(data), self._code)
        self._end(0)

    def _begin(self) -> None:
        self._library.enter("process_block")
        self._used.value = 0
        self._code.value = 0

    def _end(self, size: int) -> int:
        self._library.enter("")
        self._library.check("process_block", self._code.value)
        used = self._used.value
        if used > size:
            path = self._library.path
            raise PluginError(
                f"{path.name}: process_block says that it used {used} bytes of a buffer of {size}; "
                "it may have written beyond its end"
            )
        return used


def _address(buffer: bytearray | memoryview) -> int | None:
    """Return where a writable buffer's memory is, for the length of one call: nothing is copied."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer)) if len(buffer) else None
