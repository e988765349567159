"""Checks of a finished tree: no secrets, nothing that machines must not share, nothing missing.

Pure: a tree in, problems out. A build with one problem fails. The recipe adds paths that must or
must not be there; the imports were checked in the tree itself (`inside.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch

from vmlab.images.recipe import Recipe
from vmlab.images.tree import Entry

Tree = Mapping[str, Entry]

FORBIDDEN = (
    "/etc/ssh/ssh_host_*",
    "*/.ssh/*",
    "*/authorized_keys",
    "/etc/apt/auth.conf",
    "/etc/apt/auth.conf.d/*",
    "/etc/apt/apt.conf.d/*mmdebstrap*",
    "/var/lib/apt/lists/*_*",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/dbus/machine-id",
    "/var/lib/cloud/*",
    "*/.netrc",
    "*/.pypirc",
    "*/pip.conf",
    "*/.bash_history",
    "/vmlab-build*",
    "/run/?*",
    "/tmp/?*",  # noqa: S108 - a path in the image
    "/root/.cache*",
)
"""Paths that no image holds, whatever its recipe says."""

_SECRETS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64}"),
    "a token": re.compile(rb"JUPYTERHUB_API_TOKEN\s*=\s*[\"']?[0-9a-zA-Z_-]{20}"),
    "a password in an address": re.compile(
        rb"https?://[^\s/:@\"'<>{}$%\[\]*]+:[^\s/@\"'<>{}$%\[\]*]+@"
    ),
}
# Comments of packages' own files show addresses such as http://user:pass@proxy.
_EXAMPLES = ("/etc/wgetrc", "/var/lib/dpkg/", "/etc/ssl/")


def find_problems(tree: Tree, recipe: Recipe) -> list[str]:
    """Return what is wrong with this tree, one line each; an empty list is a good image."""
    return [
        *_passwords(tree),
        *_forbidden(tree),
        *_identity(tree),
        *_secrets(tree),
        *_permissions(tree, recipe),
        *_presence(tree, recipe),
    ]


def _text(tree: Tree, path: str) -> str | None:
    entry = tree.get(path)
    if entry is None or entry.content is None:
        return None
    return entry.content.decode("utf-8", "replace")


def _passwords(tree: Tree) -> Iterator[str]:
    shadow = _text(tree, "/etc/shadow")
    if shadow is None:
        yield "/etc/shadow is missing"
        return
    for line in shadow.splitlines():
        name, _, rest = line.partition(":")
        password = rest.partition(":")[0]
        if not password.startswith(("!", "*")):
            # never the hash itself: this goes into logs
            yield f"/etc/shadow: {name} has {'a password' if password else 'an empty password'}"
        elif len(password.lstrip("!*")) > 0:
            yield f"/etc/shadow: {name} has a password, though a locked one"
    for line in (_text(tree, "/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 1 and fields[1] != "x":
            yield f"/etc/passwd: {fields[0]} has a password field other than x"


def _forbidden(tree: Tree) -> Iterator[str]:
    for path, entry in tree.items():
        for pattern in FORBIDDEN:
            if fnmatch(path, pattern) and entry.kind != "dir":
                yield f"{path} must not be in an image"
                break


def _identity(tree: Tree) -> Iterator[str]:
    machine_id = tree.get("/etc/machine-id")
    if machine_id is None or machine_id.kind != "file" or machine_id.size != 0:
        yield "/etc/machine-id must be an empty file"


def _secrets(tree: Tree) -> Iterator[str]:
    for path, entry in tree.items():
        # only what a build may have written is kept; the rest comes from packages with hashes
        if not entry.content or path.startswith(_EXAMPLES):
            continue
        for what, pattern in _SECRETS.items():
            if pattern.search(entry.content):
                yield f"{path} holds {what}"


def _permissions(tree: Tree, recipe: Recipe) -> Iterator[str]:
    for path, entry in tree.items():
        writable = entry.kind in {"file", "dir"} and entry.mode & 0o002 and not entry.mode & 0o1000
        if writable:
            yield f"{path} is writable for everybody (mode {entry.mode:04o})"
        if entry.uid == recipe.user.uid and not path.startswith(f"/home/{recipe.user.name}"):
            yield f"{path} belongs to {recipe.user.name}"
    home = tree.get(f"/home/{recipe.user.name}")
    if home is None or home.uid != recipe.user.uid:
        yield f"/home/{recipe.user.name} does not belong to {recipe.user.name}"


def _presence(tree: Tree, recipe: Recipe) -> Iterator[str]:
    for path in recipe.presence.present:
        if _resolve(tree, path) is None:
            yield f"{path} is missing"
    for path in recipe.presence.absent:
        if _resolve(tree, path) is not None:
            yield f"{path} must not be there"
    yield from _kernel(tree)
    for name in recipe.python.never:
        found = [p for p in tree if p.startswith(recipe.python.path) and p.endswith(f"/{name}")]
        yield from (f"{path} must not be there" for path in found)


def _kernel(tree: Tree) -> Iterator[str]:
    kernels = find_kernels(tree)
    if len(kernels) != 1:
        yield f"expected one kernel in /boot, found {kernels or 'none'}"
    for version in kernels:
        for initrd in (f"/boot/initrd.img-{version}", f"/boot/initrd-generic-{version}"):
            if initrd not in tree:
                yield f"{initrd} is missing"
        if "CONFIG_VMGENID=y" not in (_text(tree, f"/boot/config-{version}") or ""):
            # without it two machines from one memory snapshot draw the same random numbers
            yield f"kernel {version} was built without CONFIG_VMGENID"


def find_kernels(tree: Tree) -> list[str]:
    """Return the versions of the kernels in /boot."""
    prefix = "/boot/vmlinuz-"
    return sorted(path.removeprefix(prefix) for path in tree if path.startswith(prefix))


def _resolve(tree: Tree, path: str) -> Entry | None:
    """Return the entry at `path`, following links in it (/sbin is one), or None."""
    for _ in range(20):
        entry = tree.get(path)
        parts = path.split("/")
        for depth in range(2, len(parts) + 1):
            head = "/".join(parts[:depth])
            link = tree.get(head)
            if link is not None and link.kind == "link":
                base = "" if link.target.startswith("/") else "/".join(parts[: depth - 1])
                path = _normal("/".join([base + "/" + link.target.lstrip("/"), *parts[depth:]]))
                break
        else:
            return entry
    return None


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)
