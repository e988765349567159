"""Plugins in Python: a file with one class of `narval.plugins.plugin`'s kind."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import TypeVar

import narval
from narval.errors import NarvalError
from narval.plugins.plugin import Plugin
from narval.plugins.returned import check_functions

P = TypeVar("P", bound=Plugin)

_MODULE = "narval_user_plugin"
_PACKAGE = Path(narval.__file__).parent


def load_python_plugin(path: Path, kind: type[P]) -> P:
    """Run a file and return an object of the one class in it that is of this kind.

    Raises:
        NarvalError: the file cannot be read or fails, with file and line; or it has no such class,
            or several.
    """
    specification = importlib.util.spec_from_file_location(_MODULE, path)
    if specification is None or specification.loader is None:
        raise NarvalError(f"{path}: a plugin in Python is a file that ends with .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[_MODULE] = module  # dataclasses look their module up
    try:
        specification.loader.exec_module(module)
    except OSError as error:
        raise NarvalError(f"{path}: {error.strerror}") from error
    except SyntaxError as error:
        raise NarvalError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:  # it is somebody's program, and may raise anything
        raise NarvalError(describe(error)) from error
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Plugin) and each.__module__ == _MODULE
    ]
    fitting = [each for each in found if issubclass(each, kind)]
    if len(fitting) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise NarvalError(
            f"{path}: exactly one class must be a {kind.__name__} of narval.plugins.plugin; "
            f"classes of plugins in it: {names}"
        )
    try:
        check_functions(fitting[0])
    except NarvalError as error:
        raise NarvalError(f"{path}: {error}") from error
    plugin = fitting[0]()
    if not hasattr(plugin, "values"):
        raise NarvalError(f"{path}: {plugin.title}.__init__ must call super().__init__()")
    return plugin


def describe(error: BaseException) -> str:
    """Return an error that is not for people, in a line, with the plugin's line it came from."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _PACKAGE not in Path(frame.filename).parents]
    if not theirs:
        return text
    return f"{theirs[-1].filename}:{theirs[-1].lineno}: {text}"


def place_of(frame: FrameType) -> str:
    """Return the plugin's line that a thread is in: `FILE:LINE`; empty if it is in none."""
    here = traceback.extract_stack(frame)[-1]
    if _PACKAGE in Path(here.filename).parents:
        return ""
    return f"{here.filename}:{here.lineno}"
