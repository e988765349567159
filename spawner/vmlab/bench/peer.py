"""The environment of the local process that machines are compared with.

The same packages in the same versions as in the image, in a virtual environment of the Python that
runs the hub, as stock JupyterHub does. pip brings `rfc3987_syntax` and `lark` along, which double
the start time and which the image leaves out; the lean environment goes without them too, so that
what a machine owes to that can be told from what it owes to being a clone.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from vmlab.errors import HostError
from vmlab.images.commands import run
from vmlab.images.recipe import Recipe, load_recipe
from vmlab.images.wheels import parse_lock

_READY = "ready"
_MODULES = ("jupyterhub.singleuser.extension", "jupyterlab", "notebook", "ipykernel")


def ensure_peer(image: str, project: Path, cache: Path, *, is_lean: bool) -> Path:
    """Return the virtual environment, made once for each content of the image's lock file.

    Raises:
        ConfigError: recipe or lock file have mistakes.
        HostError: it cannot be made.
        ImageError: pip failed; carries its last lines.
    """
    recipe = load_recipe(image, project)
    wanted = recipe.folder / "requirements.in"
    parts = (recipe.lock.read_bytes(), wanted.read_bytes(), sys.version.encode())
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = cache / "bench" / f"{'lean' if is_lean else 'process'}-{digest}"
    if not (folder / _READY).exists():
        try:
            shutil.rmtree(folder, ignore_errors=True)  # half of an earlier attempt
            folder.mkdir(parents=True)
            _install(folder, recipe, wanted, is_lean=is_lean)
            (folder / _READY).touch()
        except OSError as error:
            raise HostError(f"{folder}: the environment cannot be made: {error}") from error
    return folder


def make_constraints(recipe: Recipe) -> str:
    """Return the versions of the image's lock file, without hashes."""
    pins = parse_lock(recipe.lock, recipe.lock.read_text(encoding="utf-8"))
    return "".join(f"{pin.name}=={pin.version}\n" for pin in pins)


def _install(folder: Path, recipe: Recipe, wanted: Path, *, is_lean: bool) -> None:
    run([sys.executable, "-m", "venv", str(folder)], hint="apt-get install python3-venv")
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check"]
    install = [*pip, "install", "--progress-bar=off"]
    hint = "the host's pip must reach a package index (pip config list)"
    run(
        [*install, "--no-deps", "--require-hashes", f"--requirement={recipe.lock}"],
        hint=hint,
        downloads=True,
    )
    # The lock was resolved for the image's Python; an older one may need a package more.
    constraints = folder / "constraints.txt"
    constraints.write_text(make_constraints(recipe), encoding="utf-8")
    run(
        [*install, f"--requirement={wanted}", f"--constraint={constraints}"],
        hint=hint,
        downloads=True,
    )
    if is_lean:
        names = [module.replace("_", "-") for module in recipe.python.never]
        run([*pip, "uninstall", "--yes", *names])
    script = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    run([str(folder / "bin" / "python"), "-c", script, *_MODULES])
