"""The arguments of mmdebstrap and what it carries into the tree: pure, except for `make_payload`.

The host's apt fetches the packages; what the recipe adds travels as one tar, so that the same
works for root and in a user namespace, where the tree's root may not read the checkout.
"""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from vmlab.images.mirrors import Mirrors
from vmlab.images.recipe import Recipe, source_files

# Documentation is what nobody reads in a class; manual pages and copyrights stay.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/fr/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/man/*",
    "path-include=/usr/share/man/man*/*",
    "path-include=/usr/share/man/fr*/*",
)


@dataclass(frozen=True)
class Payload:
    """Files that go into the tree beside the recipe's own."""

    wheels: tuple[Path, ...]
    local: tuple[str, ...]  # distributions among them that are not in the lock
    units: tuple[Path, ...]


def make_job(recipe: Recipe, mirrors: Mirrors, payload: Payload) -> dict[str, object]:
    """Return what `inside.py` reads."""
    return {
        "user": asdict(recipe.user),
        "python": {**asdict(recipe.python), "local": list(payload.local)},
        "units": asdict(recipe.units),
        "agent_units": [unit.name for unit in payload.units],
        "kernel": asdict(recipe.kernel),
        "sources": mirrors.source_lines(recipe.suite, public=True),
    }


def make_payload(recipe: Recipe, job: dict[str, object], payload: Payload, target: Path) -> None:
    """Write the tar that mmdebstrap unpacks into the tree; owners, modes and times are fixed."""
    builder = Path(__file__).with_name("inside.py")
    with tarfile.open(target, "w") as tar:
        for name, path in _recipe_files(recipe).items():
            _add(tar, recipe, name, path)
        _add(tar, recipe, "vmlab-build/inside.py", builder)
        _add(tar, recipe, "vmlab-build/requirements.lock", recipe.lock)
        for wheel in payload.wheels:
            _add(tar, recipe, f"vmlab-build/wheels/{wheel.name}", wheel)
        for unit in payload.units:
            _add(tar, recipe, f"vmlab-build/units/{unit.name}", unit)
        content = json.dumps(job, indent=1, sort_keys=True).encode()
        info = tarfile.TarInfo("vmlab-build/job.json")
        info.size, info.mtime = len(content), recipe.source_date_epoch
        tar.addfile(info, io.BytesIO(content))


def _recipe_files(recipe: Recipe) -> dict[str, Path]:
    """Return what is copied as it is: source by name in the image."""
    return {
        path.relative_to(tree).as_posix(): path
        for tree in recipe.trees
        for path in source_files(tree)
    }


def _add(tar: tarfile.TarFile, recipe: Recipe, name: str, path: Path) -> None:
    info = tar.gettarinfo(path, arcname=name)
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    info.mtime = recipe.source_date_epoch
    if info.isfile():
        with path.open("rb") as stream:
            tar.addfile(info, stream)
    else:
        tar.addfile(info)


def make_mmdebstrap_command(
    recipe: Recipe, mirrors: Mirrors, *, payload: Path, debs: Path, target: Path, as_root: bool
) -> list[str]:
    """Return the command that makes the tree as the tar `target`.

    Args:
        payload: the tar of `make_payload`.
        debs: folder with packages of earlier builds; `debs.new` holds those of this one afterwards.
        as_root: whether the caller is root; otherwise a user namespace is used.
    """
    packages = (*recipe.packages, recipe.kernel.package)
    command = [
        # its mounts are seen by nobody else and go with it; it cleans up when its parent is killed
        *(["unshare", "--mount"] if as_root else []),
        "setpriv",
        "--pdeathsig=TERM",
        "mmdebstrap",
        f"--mode={'root' if as_root else 'unshare'}",
        "--variant=apt",
        "--format=tar",
        "--architectures=amd64",
        "--verbose",
        f"--include={','.join(packages)}",
        # keeps the downloaded packages until they are copied out
        "--skip=essential/unlink",
    ]
    command += [f"--aptopt={option}" for option in mirrors.apt_options]
    command += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
    archives = "/var/cache/apt/archives/"
    new = debs.with_suffix(".new")
    command += [
        f'--setup-hook=mkdir -p "$1{archives}"',
        f"--setup-hook=sync-in {shlex.quote(str(debs))} {archives}",
        f"--customize-hook=sync-out {archives} {shlex.quote(str(new))}",
        f"--customize-hook=tar-in {shlex.quote(str(payload))} /",
        '--customize-hook=chroot "$1" python3 -I /vmlab-build/inside.py',
    ]
    if any("https://" in uri for uri in (mirrors.archive, mirrors.security)):
        # apt runs inside the tree before ca-certificates is there; the package replaces the file
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        command.append(f'--essential-hook=mkdir -p "$1/etc/ssl/certs"; cp -n {bundle} "$1{bundle}"')
    return [*command, recipe.suite, str(target), *mirrors.source_lines(recipe.suite)]
