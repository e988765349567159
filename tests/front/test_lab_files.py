"""JupyterLab's own files come from the host, and nothing else of a machine's does."""

from __future__ import annotations

import http.client
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from fakes.echo_proxy import EchoProxy
from vmlab.images.lab_files import pack_lab_files, url_path

SHARE = "opt/vmlab/share/jupyter"
HASHED = "main.efd36b46f3b45eb8.js"
SCRIPT = b"console.log(1);\n" * 1000
PICTURE = bytes(range(256)) * 3
TREE = {
    f"{SHARE}/lab/static/{HASHED}": SCRIPT,
    f"{SHARE}/lab/static/cd7322bf5a6e6fcf.svg": b"<svg/>",
    f"{SHARE}/lab/static/a76d53bf993d73a2.woff2": PICTURE,
    f"{SHARE}/lab/static/index.html": b"<html>",
    f"{SHARE}/lab/static/package.json": b"{}",
    f"{SHARE}/labextensions/@jupyter-widgets/jupyterlab-manager/static/7.2a0ce575775f5aad.js": b"7",
    f"{SHARE}/labextensions/vmlab-course/static/remoteEntry.js": b"ours",
    "etc/shadow": b"secret",
}


@pytest.fixture(scope="module")
def proxy() -> Iterator[EchoProxy]:
    with tempfile.TemporaryDirectory(prefix="vmlab-") as name:
        folder = Path(name)
        with tarfile.open(folder / "tree.tar", "w") as tree:
            for path, content in TREE.items():
                info = tarfile.TarInfo(f"./{path}")
                info.size = len(content)
                tree.addfile(info, io.BytesIO(content))
        pack_lab_files(folder / "tree.tar", folder / "lab-files.tar")
        with EchoProxy(folder, files=folder / "lab-files.tar") as running:
            running.add_route("/user/ada", running.target_port)
            yield running


def is_machines(answer: requests.Response) -> bool:
    """Whether the machine answered: with the headers that it got."""
    return answer.headers.get("Content-Type") is None and "host" in answer.json()


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        (f"static/lab/{HASHED}?v=efd36b46f3b45eb8", SCRIPT, "text/javascript; charset=utf-8"),
        ("static/lab/cd7322bf5a6e6fcf.svg", b"<svg/>", "image/svg+xml"),
        ("static/lab/a76d53bf993d73a2.woff2", PICTURE, "font/woff2"),
        (
            "lab/extensions/@jupyter-widgets/jupyterlab-manager/static/7.2a0ce575775f5aad.js",
            b"7",
            "text/javascript; charset=utf-8",
        ),
    ],
)
def test_files_with_a_hash_in_their_name_come_from_the_host(proxy, path, content, kind):
    answer = proxy.get(f"/user/ada/{path}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == kind
    assert "immutable" in answer.headers["Cache-Control"]
    plain = requests.get(
        f"{proxy.url}/user/ada/{path}", headers={"Accept-Encoding": "identity"}, timeout=30
    )
    assert (plain.content, plain.headers.get("Content-Encoding")) == (content, None)
    head = requests.head(f"{proxy.url}/user/ada/{path}", timeout=30)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "lab",
        "static/lab/index.html",
        "static/lab/other.0000000000000000.js",  # a JupyterLab that the trainee installed
        "lab/extensions/vmlab-course/static/remoteEntry.js",
        f"files/static/lab/{HASHED}",
        f"static/lab/../lab/{HASHED}".replace("..", "%2e%2e"),
    ],
)
def test_everything_else_comes_from_the_machine(proxy, path):
    assert is_machines(proxy.get(f"/user/ada/{path}"))


def test_only_reading_and_only_of_a_machine_that_runs(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    with closing(connection):
        connection.request("POST", f"/user/ada/static/lab/{HASHED}", body=b"")
        assert connection.getresponse().status == 501, "the machine's own answer"
    # Of one that is off the hub answers, as usual.
    off = proxy.get(f"/user/bob/static/lab/{HASHED}")
    assert off.content != SCRIPT
    assert proxy.get(f"/static/lab/{HASHED}").content != SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "etc/shadow",
        f"{SHARE}/lab/static/index.html",
        f"{SHARE}/lab/static/sub/{HASHED}",
        f"{SHARE}/labextensions/../{HASHED}",
        f"{SHARE}/labextensions/x/schemas/{HASHED}",
        f"home/trainee/{SHARE}/lab/static/{HASHED}",
    ],
)
def test_nothing_else_of_the_tree_is_taken(path):
    assert url_path(path) == ""
