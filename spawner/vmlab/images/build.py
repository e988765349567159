"""Building an image from its recipe, once per content, and publishing it by one rename.

Drives the programs; what they are told is made by the pure modules beside this one. Nothing of an
interrupted build ever appears in the store; the next build removes its remains.

    image = build_image("desk", project=Path("."), paths=default_paths())
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import HostError, ImageError
from vmlab.images import store as store_module
from vmlab.images.bootstrap import Payload, make_job, make_mmdebstrap_command, make_payload
from vmlab.images.checks import find_kernels, find_problems
from vmlab.images.commands import run
from vmlab.images.disk import make_disk, namespace_prefix
from vmlab.images.lab_files import pack_lab_files
from vmlab.images.mirrors import Mirrors, read_host_mirrors
from vmlab.images.progress import BootstrapCounter, BuildPhase, Report, progress_at
from vmlab.images.recipe import (
    VERSION_DIGITS,
    Recipe,
    guest_folder,
    hash_recipe,
    load_recipe,
    local_folders,
)
from vmlab.images.store import Image, ImageStore, describe_file
from vmlab.images.tree import differences, extract, read_tree
from vmlab.images.wheels import build_local_wheel, ensure_wheels
from vmlab.paths import Paths
from vmlab.system.locks import try_flock, wait_for_flock

NEEDED_MIB = 6 * 1024
"""Free disk space that a build needs at its peak: tree as tar, as folder, and as disk."""

_STEPS = ("user", "python", "units", "initrd", "imports", "cleaning")


@dataclass(frozen=True)
class _Build:
    """One build under way."""

    recipe: Recipe
    recipe_hash: str
    version: str
    project: Path
    paths: Paths
    work: Path  # for what is in between
    result: Path  # becomes the version's folder
    lock: int  # file descriptor: mmdebstrap holds it too, in case this process is killed
    report: Report


def ensure_image(name: str, project: Path, paths: Paths, *, progress: Report) -> Image:
    """Return the image of this recipe as it is now, building it if it is not there or damaged.

    Raises:
        ConfigError: the recipe has mistakes, or there is none.
        HostError: the host lacks a program, a mirror or disk space.
        ImageError: the build failed.
    """
    return build_image(name, project=project, paths=paths, progress=progress)


def build_image(
    name: str, *, project: Path, paths: Paths, progress: Report, force: bool = False
) -> Image:
    """Build the image `name` unless its current version is this recipe's and whole.

    A published version is never changed, because machines' disks are overlays on it: `force`, or a
    damaged version, makes a new version beside it.

    Args:
        project: the checkout that holds images/recipes.
        force: build although nothing changed, for instance for newer Debian packages.

    Raises:
        ConfigError, HostError, ImageError: as `ensure_image`.
    """
    recipe = load_recipe(name, project)
    recipe_hash = hash_recipe(recipe, project)[:VERSION_DIGITS]
    store = ImageStore(paths.images)
    if not force and (image := _find_whole(store, name, recipe_hash)):
        return image
    parent = paths.images / name
    _make_folder(parent)
    with _lock(parent, progress) as lock:
        # somebody else may have built it while this one waited
        if not force and (image := _find_whole(store, name, recipe_hash)):
            return image
        version = recipe_hash
        if (parent / version).exists():
            salt = f"{recipe_hash} again {time.time_ns()}".encode()
            version = hashlib.sha256(salt).hexdigest()[:VERSION_DIGITS]
        with _work_folder(parent) as (work, result):
            build = _Build(
                recipe, recipe_hash, version, project, paths, work, result, lock, progress
            )
            _run_build(build)
            _publish(build)
    return store.find(name)


def _find_whole(store: ImageStore, name: str, recipe_hash: str) -> Image | None:
    """Return the current image if it is this recipe's and undamaged."""
    try:
        image = store.find(name)
        if image.recipe != recipe_hash:
            return None
        store.verify(image)
    except ImageError:
        return None  # missing or damaged: both are cured by building
    return image


def _run_build(build: _Build) -> None:
    """Fill `build.result` with the files of an image."""
    began = time.monotonic()
    _check_room(build.paths.cache)
    mirrors = read_host_mirrors()
    tar = build.work / "tree.tar"
    _make_tree(build, mirrors, tar)
    build.report(progress_at(BuildPhase.CHECKS, 0.0, "looking for secrets and missing files"))
    tree = read_tree(tar)
    if problems := find_problems(tree, build.recipe):
        listed = "".join(f"\n  {problem}" for problem in problems[:50])
        raise ImageError(
            f"image {build.recipe.name!r} failed {len(problems)} of its checks:{listed}",
            hint=f"look at {build.recipe.folder}, then build again",
        )
    (kernel,) = find_kernels(tree)
    extract(tar, f"/boot/vmlinuz-{kernel}", build.result / store_module.KERNEL)
    extract(tar, f"/boot/initrd.img-{kernel}", build.result / store_module.INITRD)
    extract(tar, f"/boot/initrd-generic-{kernel}", build.result / store_module.GENERIC_INITRD)
    pack_lab_files(tar, build.result / store_module.LAB_FILES)
    build.report(progress_at(BuildPhase.DISK, 0.0, "making the disk"))
    make_disk(
        tar,
        build.work,
        build.result / store_module.DISK,
        version=build.version,
        size_mib=build.recipe.disk_size_mib,
        epoch=build.recipe.source_date_epoch,
    )
    status = tree["/var/lib/dpkg/status"].content or b""
    packages = status.count(b"\nStatus: install ok installed\n")
    _write_manifest(build, packages, time.monotonic() - began)


def _make_tree(build: _Build, mirrors: Mirrors, tar: Path) -> None:
    """Make the finished tree as a tar."""
    recipe, downloads = build.recipe, build.paths.cache / "downloads"
    build.report(progress_at(BuildPhase.WHEELS, 0.0, "Python packages"))
    counted = 0

    def count_wheel(line: str) -> None:
        nonlocal counted
        if line.startswith("Collecting"):
            counted += 1
            build.report(progress_at(BuildPhase.WHEELS, counted / 120, line.split()[1]))

    wheels = ensure_wheels(recipe.lock, recipe.python.version, downloads / "wheels", count_wheel)
    payload = _local_payload(build, wheels)
    job = make_job(recipe, mirrors, payload)
    packed = build.work / "payload.tar"
    make_payload(recipe, job, payload, packed)
    if hash_recipe(recipe, build.project)[:VERSION_DIGITS] != build.recipe_hash:
        folders = ", ".join(map(str, local_folders(recipe, build.project)))
        raise ImageError(
            f"{recipe.folder} or one of {folders} was edited while the build read it",
            hint=f"vmlab image build {recipe.name}",
        )

    debs = downloads / f"debs-{recipe.name}"
    new = debs.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    for folder in (debs, new):
        folder.mkdir(parents=True, exist_ok=True)
    counter = BootstrapCounter()

    def follow(line: str) -> None:
        if line.startswith("vmlab: "):
            step = line.removeprefix("vmlab: ")
            part = _STEPS.index(step) / len(_STEPS) if step in _STEPS else 0.0
            build.report(progress_at(BuildPhase.FINISH, part, step))
        elif line.startswith(("Unpacking", "Setting up", "I: ")):
            build.report(progress_at(BuildPhase.BOOTSTRAP, counter.feed(line), line[:60]))
        else:
            counter.feed(line)

    build.report(progress_at(BuildPhase.BOOTSTRAP, 0.0, f"Debian {recipe.suite}"))
    run(
        make_mmdebstrap_command(
            recipe, mirrors, payload=packed, debs=debs, target=tar, as_root=os.geteuid() == 0
        ),
        on_line=follow,
        env={
            "SOURCE_DATE_EPOCH": str(recipe.source_date_epoch),
            "TMPDIR": str(build.work) if os.geteuid() == 0 else "/var/tmp",  # noqa: S108 - roomy
            "INITRD": "No",  # inside.py makes it once, at the end
        },
        downloads=True,
        keep_open=(build.lock,),
        hint="the mirrors of the host's apt must offer this Debian release",
    )
    shutil.rmtree(debs)
    new.rename(debs)


def _local_payload(build: _Build, wheels: list[Path]) -> Payload:
    """Add the wheels of this checkout that the recipe wants, and the agent's units."""
    local: list[Path] = []
    for folder in local_folders(build.recipe, build.project):
        if not (folder / "pyproject.toml").is_file():
            raise ImageError(
                f"recipe {build.recipe.name!r} installs {folder}, which has no pyproject.toml",
                hint="take a complete checkout, or change agent and local under [python] in "
                "recipe.toml",
            )
        target = build.work / "local" / folder.name
        local.append(build_local_wheel(folder, target, build.recipe.source_date_epoch))
    names = tuple(wheel.name.split("-")[0].replace("_", "-") for wheel in local)
    agent = guest_folder(build.project)
    units = sorted((agent / "units").glob("*.*")) if build.recipe.python.agent else []
    return Payload((*wheels, *local), names, tuple(units))


def _write_manifest(build: _Build, packages: int, build_s: float) -> None:
    for name in store_module.BUILT:
        (build.result / name).chmod(0o644)
    image = Image(
        name=build.recipe.name,
        version=build.version,
        recipe=build.recipe_hash,
        folder=build.result,
        created=round(time.time(), 3),
        kernel_args=build.recipe.kernel.args,
        disk_size_mib=build.recipe.disk_size_mib,
        packages=packages,
        build_s=round(build_s, 1),
        files={name: describe_file(build.result / name) for name in store_module.BUILT},
    )
    manifest = build.result / store_module.MANIFEST
    manifest.write_text(json.dumps(image.to_json(), indent=1) + "\n", encoding="utf-8")
    manifest.chmod(0o644)
    ImageStore(build.paths.images).verify(image)


def _publish(build: _Build) -> None:
    """Make the version visible, then point `current` at it: one rename each."""
    build.report(progress_at(BuildPhase.PUBLISH, 0.0, build.version))
    parent = build.paths.images / build.recipe.name
    for path in build.result.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    build.result.chmod(0o755)
    build.result.rename(parent / build.version)
    link = parent / f".current-{build.version}"
    link.unlink(missing_ok=True)
    link.symlink_to(build.version)
    link.rename(parent / store_module.CURRENT)
    build.report(progress_at(BuildPhase.PUBLISH, 1.0, build.version))


def compare_builds(name: str, *, project: Path, paths: Paths, progress: Report) -> list[str]:
    """Build an image twice without publishing it; return one line for each difference.

    Differences of the trees come first, then those of the image's files.

    Raises:
        ConfigError, HostError, ImageError: as `build_image`.
    """
    recipe = load_recipe(name, project)
    recipe_hash = hash_recipe(recipe, project)[:VERSION_DIGITS]
    parent = paths.images / name
    _make_folder(parent)
    with _lock(parent, progress) as lock, _work_folder(parent) as (first_work, first):
        second_work, second = first_work / "second-work", first_work / "second"
        trees = []
        for work, result in ((first_work, first), (second_work, second)):
            result.mkdir(parents=True, exist_ok=True)
            work.mkdir(exist_ok=True)
            _run_build(
                _Build(
                    recipe, recipe_hash, recipe_hash, project, paths, work, result, lock, progress
                )
            )
            trees.append(read_tree(work / "tree.tar"))
        lines = differences(*trees)
        for file in store_module.BUILT:
            if describe_file(first / file) != describe_file(second / file):
                lines.append(f"{file} of the image")
    return lines


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # VMs run as a user of their own, who must reach the files; nothing here is secret
        for path in (folder, folder.parent, folder.parent.parent):
            path.chmod(path.stat().st_mode | 0o055)
    except OSError as error:
        raise HostError(
            f"{folder} cannot be made: {error.strerror}",
            hint="set VMLAB_CACHE to a folder that you may write to",
        ) from error


def _check_room(folder: Path) -> None:
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < NEEDED_MIB:
        raise HostError(
            f"{folder}: {free_mib} MiB are free, building an image needs {NEEDED_MIB}",
            hint="make room, or set VMLAB_CACHE to a folder on another disk",
        )


@contextmanager
def _lock(parent: Path, report: Report) -> Generator[int]:
    """Hold the right to build this image; the kernel gives it back when all holders have ended."""
    with (parent / ".lock").open("w") as stream:
        if not try_flock(stream.fileno()):
            report(progress_at(BuildPhase.WAIT, 0.0, "another build of this image is running"))
            wait_for_flock(stream.fileno())
        yield stream.fileno()


@contextmanager
def _work_folder(parent: Path) -> Generator[tuple[Path, Path]]:
    """Give two folders, for the work and for the result; nothing of them is left afterwards."""
    for old in [*parent.glob(".work-*"), *parent.glob(".result-*"), *parent.glob(".current-*")]:
        _remove(old)  # the lock is held: whoever made it is gone
    work = Path(tempfile.mkdtemp(prefix=".work-", dir=parent))
    result = Path(tempfile.mkdtemp(prefix=".result-", dir=parent))
    try:
        yield work, result
    finally:
        _remove(work)
        _remove(result)


def _remove(path: Path) -> None:
    """Remove a folder in which files may belong to users of a namespace."""
    if path.is_dir() and not path.is_symlink():
        run([*namespace_prefix(), "rm", "-rf", "--one-file-system", "--", str(path)])
    else:
        path.unlink(missing_ok=True)
