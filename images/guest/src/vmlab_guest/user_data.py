"""Applies the plainest parts of cloud-init's user data, in a machine without cloud-init.

    python -m vmlab_guest.user_data FILE

A script is run; of a `#cloud-config`, `write_files`, `packages` and `runcmd` are done, in this
order, as cloud-init does them. Whatever else is in it is refused before anything is done: for
that, put cloud-init into the packages of the image. Run as root, by `vmlab rehearse`; prints what
it does.

ref: https://docs.cloud-init.io/en/latest/explanation/format.html
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_CONFIG = "#cloud-config"
_SCRIPT = "#!"
_DONE = ("write_files", "packages", "runcmd")
_FILE_KEYS = {"path", "content", "encoding", "permissions", "owner", "append", "defer"}
_BASE64 = {"b64", "base64"}
_PLAIN = {"", "text/plain"}
_ALL = 0o7777
_MODE = re.compile(r"0?[0-7]{3,4}")


class UserDataError(Exception):
    """It is not something that can be done here."""


@dataclass(frozen=True)
class FileToWrite:
    """One of write_files."""

    path: Path
    content: bytes
    mode: int = 0o644
    owner: str = "root:root"
    append: bool = False


@dataclass(frozen=True)
class UserData:
    """What is to be done."""

    script: bytes = b""
    files: tuple[FileToWrite, ...] = ()
    packages: tuple[str, ...] = ()
    commands: tuple[str | tuple[str, ...], ...] = ()  # for a shell, or as words


def parse_user_data(data: bytes) -> UserData:
    """Return what the file asks for.

    Raises:
        UserDataError: it asks for something else than can be done here; names it.
    """
    first, _, _ = data.partition(b"\n")
    kind = first.decode(errors="replace").strip()
    if kind.startswith(_SCRIPT):
        return UserData(script=data)
    if kind != _CONFIG:
        raise UserDataError(f"it begins with {kind[:40]!r}, not with {_CONFIG} or {_SCRIPT}")
    try:
        config = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such day
        raise UserDataError(f"it is no YAML: {error}") from error
    if config is None:
        return UserData()
    if not isinstance(config, dict):
        raise UserDataError("it is no mapping of keys to values")
    if unknown := [str(key) for key in config if key not in _DONE]:
        raise UserDataError(
            f"{', '.join(unknown)}: cloud-init is not in this machine, and without it only "
            f"{', '.join(_DONE)} are done; put cloud-init into the packages of the image"
        )
    return UserData(
        files=tuple(map(_parse_file, _list(config, "write_files"))),
        packages=tuple(_parse_word(word, "packages") for word in _list(config, "packages")),
        commands=tuple(map(_parse_command, _list(config, "runcmd"))),
    )


def _list(config: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = config.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UserDataError(f"{key} is no list")
    return value


def _parse_word(value: Any, key: str) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value):
        raise UserDataError(f"{key}: {str(value)[:60]!r} is no text")
    return str(value)


def _parse_command(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_parse_word(word, "runcmd") for word in value)
    return _parse_word(value, "runcmd")


def _parse_file(value: Any) -> FileToWrite:
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        raise UserDataError("write_files: each has a full path")
    if unknown := [str(key) for key in value if key not in _FILE_KEYS]:
        raise UserDataError(f"write_files: {', '.join(unknown)} is not done without cloud-init")
    owner = _parse_word(value.get("owner", "root:root"), "write_files: owner")
    content = _decode(str(value.get("content", "")), str(value.get("encoding", "")))
    mode = _parse_mode(value.get("permissions", FileToWrite.mode))
    return FileToWrite(Path(path), content, mode, owner, value.get("append") is True)


def _parse_mode(value: Any) -> int:
    """Return permissions: a text of octal digits, or a number, which YAML has read as octal."""
    if type(value) is int and 0 <= value <= _ALL:
        return value
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise UserDataError(f"write_files: permissions {str(value)[:20]!r} are no octal number")
    return int(value, 8)


def _decode(content: str, encoding: str) -> bytes:
    if encoding in _PLAIN:
        return content.encode()
    if encoding not in _BASE64:
        raise UserDataError(f"write_files: encoding {encoding[:20]!r} is not done here")
    try:
        return base64.b64decode(content, validate=False)
    except ValueError as error:
        raise UserDataError(f"write_files: it is no base64: {error}") from error


def apply_user_data(wanted: UserData, folder: Path) -> None:
    """Do it.

    Args:
        folder: for the script.

    Raises:
        OSError, LookupError: a file cannot be written, or has an unknown owner.
        subprocess.CalledProcessError: a program failed; nothing after it was done.
    """
    for file in wanted.files:
        _say(f"write {file.path}")
        _write(file)
    if wanted.packages:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(("apt-get", "-q", "update"), environment)
        _run(("apt-get", "-q", "-y", "install", *wanted.packages), environment)
    for command in wanted.commands:
        _run(("/bin/sh", "-c", command) if isinstance(command, str) else command)
    if wanted.script:
        script = folder / "user-script"
        script.write_bytes(wanted.script)
        script.chmod(0o700)
        _run((str(script),))


def _write(file: FileToWrite) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with file.path.open("ab" if file.append else "wb") as stream:
        stream.write(file.content)
    user, _, group = file.owner.partition(":")
    shutil.chown(file.path, user, group or None)
    file.path.chmod(file.mode)


def _run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    _say(f"run {' '.join(words)}")
    subprocess.run(words, check=True, env=environment)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Apply the file that is named; return the exit code."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    file = Path(name)
    try:
        apply_user_data(parse_user_data(file.read_bytes()), file.parent)
    except (UserDataError, OSError, LookupError) as error:
        _say(f"{file}: {error}")
    except subprocess.CalledProcessError as error:
        _say(f"{file}: `{' '.join(error.cmd)}` ended with status {error.returncode}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
