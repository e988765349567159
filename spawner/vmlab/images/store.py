"""The image store: which images are there, and whether they are still whole.

VMLAB_CACHE/images/NAME/VERSION/ (docs/protocols.md, section 4). A published version never changes;
machines' disks are overlays on it.

    store = ImageStore(default_paths().images)
    image = store.find("desk")
    store.verify(image)
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab import messages
from vmlab.errors import ImageError
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

DISK, KERNEL, INITRD, MANIFEST = "disk.qcow2", "vmlinuz", "initrd", "image.json"
GENERIC_INITRD = "initrd-generic"
FILES = (DISK, KERNEL, INITRD, GENERIC_INITRD)
LAB_FILES = "lab-files.tar"
BUILT = (*FILES, LAB_FILES)
CURRENT = "current"
_STAMP = ".verified.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileFact:
    """What a file of an image must be."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Image:
    """One version of an image, as its image.json describes it."""

    name: str
    version: str
    recipe: str  # hash of the recipe that it was built from
    folder: Path
    created: float  # seconds since the epoch
    kernel_args: str
    disk_size_mib: int
    packages: int
    build_s: float
    files: Mapping[str, FileFact]

    @property
    def disk(self) -> Path:
        """The root file system; the base of every machine's overlay."""
        return self.folder / DISK

    @property
    def kernel(self) -> Path:
        """For direct kernel boot."""
        return self.folder / KERNEL

    @property
    def initrd(self) -> Path:
        """For direct kernel boot: the drivers of our own machines only."""
        return self.folder / INITRD

    @property
    def generic_initrd(self) -> Path:
        """For direct kernel boot on any hypervisor; the other one in versions without it."""
        return self.folder / (GENERIC_INITRD if GENERIC_INITRD in self.files else INITRD)

    @property
    def lab_files(self) -> Path | None:
        """JupyterLab's files, for the host to send (lab_files.py); versions before had none."""
        return self.folder / LAB_FILES if LAB_FILES in self.files else None

    @property
    def size_bytes(self) -> int:
        """What the image takes on the host's disk."""
        return sum(fact.size_bytes for fact in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """Return it as image.json and `vmlab image list --json` show it."""
        return {
            "name": self.name,
            "version": self.version,
            "recipe": self.recipe,
            "created": self.created,
            "kernel_args": self.kernel_args,
            "disk_size_mib": self.disk_size_mib,
            "files": {
                name: {"bytes": fact.size_bytes, "sha256": fact.sha256}
                for name, fact in sorted(self.files.items())
            },
            "packages": self.packages,
            "build_s": self.build_s,
        }


def parse_manifest(data: Any, folder: Path) -> Image:
    """Turn the content of an image.json into an Image.

    Raises:
        KeyError, TypeError, ValueError: it is not what the builder writes.
    """
    files = {
        str(name): FileFact(size_bytes=int(fact["bytes"]), sha256=str(fact["sha256"]))
        for name, fact in data["files"].items()
    }
    if odd := [name for name in files if name.startswith(".") or "/" in name or "\0" in name]:
        raise ValueError(f"{odd[0][:40]!r} cannot be the name of an image's file")
    if not {DISK, KERNEL, INITRD} <= files.keys():
        raise ValueError(f"it describes only {sorted(files)}")
    return Image(
        name=str(data["name"]),
        version=str(data["version"]),
        recipe=str(data.get("recipe", data["version"])),
        folder=folder,
        created=float(data["created"]),
        kernel_args=str(data["kernel_args"]),
        disk_size_mib=int(data["disk_size_mib"]),
        packages=int(data["packages"]),
        build_s=float(data["build_s"]),
        files=files,
    )


def describe_file(path: Path) -> FileFact:
    """Read a whole file and return its size and hash."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return FileFact(size_bytes=stream.tell(), sha256=digest)


_Stamps = dict[str, list[int]]
"""For each file that was hashed: size, modification time in ns, inode."""


class ImageStore:
    """The images below one folder.

    Args:
        folder: usually `Paths.images`; need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> list[Image]:
        """Return every version of every image, by name, oldest first; damaged ones are left out."""
        images = []
        for manifest in sorted(self.folder.glob(f"*/*/{MANIFEST}")):
            # "current" is a second name of one of them; a leading dot is a build under way
            if manifest.parent.is_symlink() or manifest.parent.name.startswith("."):
                continue
            try:
                images.append(self._load(manifest.parent))
            except ImageError as error:
                _log.warning("%s", error)
        return sorted(images, key=lambda image: (image.name, image.created))

    def find(self, name: str, version: str = CURRENT) -> Image:
        """Return an image by name: the version last built, or a certain one.

        Raises:
            ImageError: it is not there, or its description cannot be read.
        """
        for part in (name, version):
            if not part or part.startswith(".") or "/" in part or "\0" in part:
                raise ImageError(f"{part!r} cannot be the name of an image")
        folder = self.folder / name / version
        if not folder.is_dir():
            what = f"image {name!r}" if version == CURRENT else f"version {version} of {name!r}"
            raise ImageError(
                f"{what} is not in {self.folder}",
                hint=f"vmlab image build {name}",
                public=messages.NO_IMAGE,
            )
        return self._load(folder.resolve())

    def find_whole(self, name: str) -> Image:
        """Return an image whose files are what was built; raises as `find` and `verify`."""
        image = self.find(name)
        self.verify(image)
        return image

    def verify(self, image: Image, *, full: bool = False) -> None:
        """Make sure that an image's files are what was built.

        Sizes are compared every time, the hashes when `full`, or when a file is not the one (size,
        time, inode) that was hashed last; the result is noted beside the files.

        Raises:
            ImageError: names the file, what was expected and what was found.
        """
        stamps = self._read_stamps(image)
        fresh: _Stamps = {}
        for name, fact in image.files.items():
            path = image.folder / name
            try:
                stat = path.stat()
            except OSError as error:
                raise _damaged(image, f"{path} cannot be read: {error.strerror}") from error
            if stat.st_size != fact.size_bytes:
                raise _damaged(
                    image, f"{path} has {stat.st_size} bytes instead of {fact.size_bytes}"
                )
            mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            if full or stamps.get(name) != mark:
                found = describe_file(path)
                if found != fact:
                    raise _damaged(
                        image,
                        f"{path} has another content: sha256 {found.sha256} ({found.size_bytes} "
                        f"bytes) instead of {fact.sha256} ({fact.size_bytes} bytes)",
                    )
            fresh[name] = mark
        if fresh != stamps:
            self._write_stamps(image, fresh)

    def _load(self, folder: Path) -> Image:
        path = folder / MANIFEST
        try:
            return parse_manifest(load_json(path.read_bytes()), folder)
        except OSError as error:
            raise ImageError(
                f"{path} cannot be read: {error.strerror}",
                hint=f"vmlab image build {folder.parent.name}",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageError(
                f"{path} is damaged: {error!r}", hint=f"vmlab image build {folder.parent.name}"
            ) from error

    def _read_stamps(self, image: Image) -> _Stamps:
        try:
            stamps = load_json((image.folder / _STAMP).read_bytes())
        except (OSError, ValueError):
            return {}  # never verified: everything is hashed
        return stamps if isinstance(stamps, dict) else {}

    def _write_stamps(self, image: Image, stamps: _Stamps) -> None:
        try:
            write_atomic(image.folder / _STAMP, json.dumps(stamps).encode(), mode=0o644)
        except OSError as error:
            # A store that this user may only read works too, but is hashed each time.
            _log.info("cannot note that %s was verified: %s", image.folder, error)


def _damaged(image: Image, message: str) -> ImageError:
    return ImageError(
        f"image {image.name!r}, version {image.version}, is damaged: {message}",
        hint=f"vmlab image build {image.name}",
        public=messages.BAD_IMAGE,
    )
