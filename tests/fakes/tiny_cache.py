"""Caches with the tiny guest and a template of it, which is made once in a run of the suite.

A clone takes a fifth of a boot's time of the processor, and most tests do not ask how their machine
was started. Those that do are marked `boots`.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fakes.benches import Bench, open_bench
from fakes.tiny_guest import make_tiny_image
from vmlab.images.store import Image
from vmlab.model import MachineSpec
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.qemu.warm.template import (
    Template,
    list_templates,
    read_mark,
    write_template,
)


def spare(bench: Bench) -> MachineSpec:
    """Return the machine that the template is made of: nobody's, without a volume."""
    return replace(bench.spec("spare"), volume=None, owner="")


def make_cache(cache: Path, base: Image) -> None:
    """Make the cache in this folder, which is not there yet."""
    cache.mkdir(mode=0o755)
    make_tiny_image(base, cache / "images")
    # In a thread: the one of the tests has a loop that runs, Playwright's, if a page was open.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _make_template(cache)).result()


async def _make_template(cache: Path) -> None:
    async with open_bench("qemu", cache, None) as bench:
        assert isinstance(bench.provider, QemuProvider)
        await bench.provider.make_template(spare(bench))


@contextmanager
def own_cache(cache: Path) -> Iterator[Path]:
    """Give a cache with the same images and no template, for tests that change theirs."""
    folder = Path(tempfile.mkdtemp(prefix="vmlab-cache-"))
    try:
        folder.chmod(0o755)
        copy_images(cache, folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def copy_images(cache: Path, copy: Path) -> None:
    """Copy a cache's images, for tests that change them or make templates of their own."""
    _copy(cache / "images", copy / "images")


def copy_template(cache: Path, copy: Path) -> Template:
    """Copy a cache's template, for tests that damage it; as if it had been made there."""
    _copy(cache / "templates", copy / "templates")
    (found,) = list_templates(copy / "templates")
    marks = {name: read_mark(found.folder / name) for name in found.marks}
    template = replace(found, marks=marks)
    write_template(template)
    return template


def _copy(folder: Path, copy: Path) -> None:
    subprocess.run(["cp", "-a", "--sparse=always", "--reflink=auto", folder, copy], check=True)
