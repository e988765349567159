"""Recipes: `recipe.toml` read into frozen dataclasses, and the content hash that names a version.

Reads files, changes nothing. A mistake is a ConfigError with file, line and the allowed values.
images/README.md describes the format for people.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import Table, TomlFile, did_you_mean, load_toml, show

BUILDER_VERSION = 3
"""Increase it when the builder makes a different image from the same recipe."""

VERSION_DIGITS = 16
_PACKAGE = r"[a-z0-9][a-z0-9+.-]+"
_UNIT = r"[A-Za-z0-9@_.-]+\.(service|socket|timer|mount|automount|target|path)"
_PATH = r"/[^\0\n]+"
_MODULE = r"[A-Za-z_][\w.]*"
_SKIPPED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "dist", "build", "tests"}


@dataclass(frozen=True)
class Kernel:
    """The kernel package and how it is started."""

    package: str
    args: str
    initrd_modules: tuple[str, ...]


@dataclass(frozen=True)
class Units:
    """What systemd does at boot, as far as it differs from the packages' presets."""

    enable: tuple[str, ...]
    disable: tuple[str, ...]
    mask: tuple[str, ...]
    mask_generators: tuple[str, ...]  # of systemd.generator(7)


@dataclass(frozen=True)
class PythonEnvironment:
    """The virtual environment in the image."""

    path: str
    version: str  # the image's own Python, e.g. "3.13": the lock file was resolved for it
    agent: bool  # install protocol and images/guest: agent, units, the learner's library
    local: tuple[str, ...]  # folders below images/ whose Python package is installed too
    imports: tuple[str, ...]  # modules that must import
    never: tuple[str, ...]  # modules that must not be there


@dataclass(frozen=True)
class User:
    """The trainee's account: no password, sudo without one."""

    name: str
    uid: int


@dataclass(frozen=True)
class Presence:
    """Paths that the finished tree must or must not hold."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what an image is."""

    name: str
    folder: Path
    summary: str
    suite: str
    files_of: str  # the recipe whose files are laid down first; empty: none
    disk_size_mib: int
    source_date_epoch: int
    packages: tuple[str, ...]
    kernel: Kernel
    units: Units
    python: PythonEnvironment
    user: User
    presence: Presence

    @property
    def lock(self) -> Path:
        """The Python requirements with hashes."""
        return self.folder / "requirements.lock"

    @property
    def trees(self) -> tuple[Path, ...]:
        """The trees that are copied into the image; a file of a later one replaces an earlier's."""
        other = (self.folder.parent / self.files_of / "files",) if self.files_of else ()
        return (*other, self.folder / "files")


def recipes_folder(project: Path) -> Path:
    """Return where the recipes of a checkout are."""
    return project / "images" / "recipes"


def guest_folder(project: Path) -> Path:
    """Return where the sources of the agent are."""
    return project / "images" / "guest"


def local_folders(recipe: Recipe, project: Path) -> tuple[Path, ...]:
    """Return the folders of the checkout whose Python packages the recipe installs."""
    agent = (project / "protocol", guest_folder(project)) if recipe.python.agent else ()
    return (*agent, *(project / "images" / name for name in recipe.python.local))


def list_recipes(project: Path) -> list[str]:
    """Return the names of all recipes of a checkout."""
    return sorted(path.parent.name for path in recipes_folder(project).glob("*/recipe.toml"))


def load_recipe(name: str, project: Path) -> Recipe:
    """Read the recipe `name` of a checkout.

    Raises:
        ConfigError: there is none of that name, or it holds mistakes; names each with its line.
    """
    names = list_recipes(project)
    if name not in names:
        guess = did_you_mean(name, names) if names else ""
        raise ConfigError(
            f"{recipes_folder(project)}: no recipe {show(name)}{guess}",
            hint="" if names else "run this in a VMLab checkout, or set VMLAB_PROJECT to one",
        )
    recipe = read_recipe(load_toml(recipes_folder(project) / name / "recipe.toml"))
    if recipe.files_of and recipe.files_of not in names:
        guess = did_you_mean(recipe.files_of, names)
        raise ConfigError(f"{recipe.folder}/recipe.toml: no recipe {show(recipe.files_of)}{guess}")
    return recipe


def read_recipe(file: TomlFile) -> Recipe:
    """Turn a parsed recipe.toml into a Recipe.

    Raises:
        ConfigError: names each mistake with file, line and what is allowed.
    """
    folder = Path(file.name).parent
    root = file.root()
    image = root.table("image", required=True)
    recipe = Recipe(
        name=image.text("name", pattern=re.escape(folder.name), allowed="the folder's name"),
        folder=folder,
        summary=image.text("summary", max_length=200),
        suite=image.text("suite", pattern="[a-z]+", allowed='a Debian release such as "trixie"'),
        files_of=image.text(
            "files_of", default="", pattern="[a-z][a-z0-9-]*", allowed="the name of a recipe"
        ),
        disk_size_mib=image.whole("disk_size_mib", minimum=2048, maximum=1024 * 1024),
        source_date_epoch=image.whole("source_date_epoch", minimum=1, maximum=2**32 - 1),
        packages=_names(image, "packages", _PACKAGE, "names of Debian packages"),
        kernel=_read_kernel(root.table("kernel", required=True)),
        units=_read_units(root.table("systemd")),
        python=_read_python(root.table("python", required=True)),
        user=_read_user(root.table("user", required=True)),
        presence=_read_presence(root.table("checks")),
    )
    file.finish(hint="images/README.md describes every key")
    return recipe


def _names(table: Table, key: str, pattern: str, allowed: str) -> tuple[str, ...]:
    """Read a list in which each text may stand once."""
    found = table.texts(key, pattern=pattern, allowed=allowed)
    for name in sorted({name for name in found if found.count(name) > 1}):
        table.mistake(key, f"{show(name)} is listed twice")
    return found


def _read_kernel(table: Table) -> Kernel:
    return Kernel(
        package=table.text("package", pattern="linux-image-[a-z0-9+.-]+", allowed="linux-image-…"),
        args=table.text("args", pattern=r"[\x20-\x7e]+", allowed="printable ASCII"),
        initrd_modules=_names(table, "initrd_modules", "[a-z0-9_-]+", "names of kernel modules"),
    )


def _read_units(table: Table) -> Units:
    def units(key: str) -> tuple[str, ...]:
        return _names(table, key, _UNIT, 'systemd units such as "ssh.service"')

    return Units(
        enable=units("enable"),
        disable=units("disable"),
        mask=units("mask"),
        mask_generators=_names(table, "mask_generators", "[a-z0-9-]+", "names of generators"),
    )


def _read_python(table: Table) -> PythonEnvironment:
    return PythonEnvironment(
        path=table.text("path", pattern="/[a-z0-9/_-]+", allowed="an absolute path"),
        version=table.text("version", pattern=r"3\.[0-9]+", allowed='such as "3.13"'),
        agent=table.flag("agent", default=True),
        local=_names(table, "local", "[a-z0-9_-]+", "names of folders below images/"),
        imports=_names(table, "imports", _MODULE, "names of Python modules"),
        never=_names(table, "never", _MODULE, "names of Python modules"),
    )


def _read_user(table: Table) -> User:
    return User(
        name=table.text("name", pattern="[a-z][a-z0-9_-]{0,30}", allowed="a user name"),
        uid=table.whole("uid", minimum=1000, maximum=59999),
    )


def _read_presence(table: Table) -> Presence:
    return Presence(
        present=_names(table, "present", _PATH, "absolute paths"),
        absent=_names(table, "absent", _PATH, "absolute paths"),
    )


def source_files(folder: Path) -> list[Path]:
    """Return the files below a folder that are sources, sorted by their path in it."""
    return sorted(
        path
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not any(
            p in _SKIPPED or p.endswith(".egg-info") for p in path.relative_to(folder).parts
        )
    )


def hash_recipe(recipe: Recipe, project: Path) -> str:
    """Return the hash of everything that decides the image: recipe, local packages and builder.

    The host's mirrors and the day do not count. The first VERSION_DIGITS are the version.
    """
    digest = hashlib.sha256(f"vmlab image, builder {BUILDER_VERSION}\n".encode())
    roots = [("recipe", recipe.folder), ("builder", Path(__file__).with_name("inside.py"))]
    roots += [("files of another", tree) for tree in recipe.trees[:-1]]
    roots += [(folder.name, folder) for folder in local_folders(recipe, project)]
    for label, root in roots:
        for path in [root] if root.is_file() else source_files(root):
            name = path.name if root.is_file() else path.relative_to(root).as_posix()
            if path.is_symlink():
                kind, content = "link", str(path.readlink()).encode()
            else:
                kind = "program" if path.stat().st_mode & 0o100 else "file"
                content = path.read_bytes()
            inner = hashlib.sha256(content).hexdigest()
            digest.update(f"{label} {kind} {inner} {name}\n".encode())
    return digest.hexdigest()
