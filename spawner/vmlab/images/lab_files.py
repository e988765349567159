"""JupyterLab's own files out of an image's tree, for the host to send in its machines' place.

A browser asks for some eighty of them before it draws anything, and an emulated machine takes its
time for each. Only those are taken whose name holds a hash of their content: whatever a trainee
installs in the machine has other names, and comes from the machine.
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

_SHARE = r"opt/vmlab/share/jupyter"
_HASHED = r"(?:[\w-]+\.)?[0-9a-f]{16,32}\.(?:js|css|svg|png|woff2?|ttf|eot)"
_PLACES = (
    (re.compile(rf"{_SHARE}/lab/static/({_HASHED})"), "static/lab/"),
    (
        re.compile(rf"{_SHARE}/labextensions/((?:@[\w-]+/)?[\w-]+/static/{_HASHED})"),
        "lab/extensions/",
    ),
)


def url_path(path: str) -> str:
    """Return where below a server's prefix this file is asked for; empty: nowhere. Pure.

    >>> url_path("./opt/vmlab/share/jupyter/lab/static/main.efd36b46f3b45eb8.js")
    'static/lab/main.efd36b46f3b45eb8.js'
    """
    inner = path.removeprefix("./").lstrip("/")
    for pattern, prefix in _PLACES:
        if found := pattern.fullmatch(inner):
            return f"{prefix}{found[1]}"
    return ""


def pack_lab_files(tree: Path, target: Path) -> None:
    """Write the files to an archive with their URLs as names; it is empty without JupyterLab.

    Raises:
        OSError, tarfile.TarError: the tree cannot be read or the archive not be written.
    """
    with (
        tarfile.open(tree) as source,
        tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member in source:
            name = url_path(member.name)
            stream = source.extractfile(member) if name and member.isfile() else None
            if stream is not None:
                info = tarfile.TarInfo(name)
                info.size = member.size
                archive.addfile(info, io.BytesIO(stream.read()))
