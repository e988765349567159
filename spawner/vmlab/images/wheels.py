"""Python packages for an image: downloaded by the host, checked against the lock file's hashes.

The host's pip and its configuration (index, proxy, certificates) do the download, for the image's
Python and not the host's. What is in the cache with the right hash is not fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import ConfigError, ImageError
from vmlab.images.commands import run

# Debian 13 has glibc 2.41. pip expands none of these by itself.
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(41, 4, -1)]
_PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)((?:\s+--hash=sha256:[0-9a-f]{64})+)")


@dataclass(frozen=True)
class Pin:
    """One line of the lock: an exact version and the files that may be it."""

    name: str
    version: str
    hashes: frozenset[str]


def parse_lock(path: Path, text: str) -> tuple[Pin, ...]:
    """Return the pins of a lock file.

    Raises:
        ConfigError: a requirement has no exact version or no hash; names the line.
    """
    pins = []
    joined = text.replace("\\\n", "\0")  # keeps count: one \0 for each line that goes on
    number = 1
    for logical in joined.split("\n"):
        line = logical.replace("\0", " ").split(" #")[0].strip()
        if line and not line.startswith("#"):
            match = re.fullmatch(
                r"([A-Za-z0-9._-]+)==([^\s;]+)((?:\s+--hash=sha256:[0-9a-f]{64})+)", line
            )
            if not match:
                raise ConfigError(
                    f"{path}:{number}: {line[:80]!r} is not NAME==VERSION with sha256 hashes",
                    hint="make the lock file again as images/README.md says",
                )
            hashes = frozenset(re.findall(r"[0-9a-f]{64}", match[3]))
            pins.append(Pin(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2], hashes))
        number += 1 + logical.count("\0")
    return tuple(pins)


def find_wheels(pins: tuple[Pin, ...], cache: Path) -> dict[str, Path]:
    """Return, by package name, the wheels in the cache that the lock allows."""
    by_name: dict[str, list[Path]] = {}
    for path in cache.glob("*.whl"):
        name = re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower()
        by_name.setdefault(name, []).append(path)
    found = {}
    for pin in pins:
        for path in by_name.get(pin.name, []):
            if hashlib.sha256(path.read_bytes()).hexdigest() in pin.hashes:
                found[pin.name] = path
    return found


def ensure_wheels(
    lock: Path, python_version: str, cache: Path, on_line: Callable[[str], None]
) -> list[Path]:
    """Return one wheel for each pin, downloading what the cache lacks.

    Raises:
        ConfigError: the lock file is wrong.
        ImageError: a wheel cannot be had, or there is none for the image's Python.
    """
    pins = parse_lock(lock, lock.read_text(encoding="utf-8"))
    cache.mkdir(parents=True, exist_ok=True)
    found = find_wheels(pins, cache)
    if len(found) < len(pins):
        platforms = [f"--platform={name}" for name in _PLATFORMS]
        run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
             "--require-hashes", "--disable-pip-version-check", "--progress-bar=off",
             f"--python-version={python_version}", "--implementation=cp", *platforms,
             f"--requirement={lock}", f"--dest={cache}"],
            on_line=on_line,
            downloads=True,
            hint="the host's pip must reach a package index (pip config list)",
        )  # fmt: skip
        found = find_wheels(pins, cache)
    missing = sorted(pin.name for pin in pins if pin.name not in found)
    if missing:
        raise ImageError(f"{lock}: pip brought no wheel for {', '.join(missing)}")
    return [found[pin.name] for pin in pins]


def build_local_wheel(source: Path, target: Path, epoch: int) -> Path:
    """Build the wheel of a project of this checkout, offline, and return it.

    Raises:
        ImageError: it cannot be built.
    """
    target.mkdir(parents=True)
    run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
         "--no-cache-dir", "--disable-pip-version-check", f"--wheel-dir={target}",
         os.fspath(source)],
        env={"SOURCE_DATE_EPOCH": str(epoch)},
        hint=f"`pip wheel {source}` must work by itself",
    )  # fmt: skip
    wheels = list(target.glob("*.whl"))
    if len(wheels) != 1:
        raise ImageError(f"{source}: expected one wheel, got {[w.name for w in wheels]}")
    return wheels[0]
