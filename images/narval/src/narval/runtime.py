"""Files that live as long as processes do: named pipes, and what an actor is in the middle of."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from narval.errors import NarvalError


def runtime_folder(sub_system: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a sub-system's folder for such files on this host, made now if there is none.

    Raises:
        NarvalError: it cannot be made, or it belongs to somebody else.
    """
    above = environment.get("XDG_RUNTIME_DIR")
    base = Path(above) / "narval" if above else Path(tempfile.gettempdir(), f"narval-{os.getuid()}")
    folder = base / sub_system
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        if base.lstat().st_uid != os.getuid() or base.lstat().st_mode & 0o077 or base.is_symlink():
            raise NarvalError(f"{base} must be a folder that is yours alone; remove it")
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise NarvalError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def symbol_file(sub_system: str, uuid: str) -> Path:
    """Return where an actor keeps the name of the plugin's function that it is calling.

    The name, then NUL bytes. `take_symbol` reads it after a crash.
    """
    return runtime_folder(sub_system) / f"{uuid}.symbol"


def take_symbol(sub_system: str, uuid: str) -> str:
    """Return which of the plugin's functions an actor that has ended was calling; "" for none.

    The file is removed.
    """
    try:
        file = symbol_file(sub_system, uuid)
        text = file.read_bytes()[:256].strip(b"\0").decode(errors="replace").strip()
        file.unlink()
    except (OSError, NarvalError):
        return ""
    return text
