"""A state folder of an earlier version still works: accounts, progress, courses, volumes.

`earlier/0.1` was written by a hub of version 0.1 as it was before its modules were moved: ada's
machine ran when the hub ended, bob's was off. Databases are kept as SQL, disks compressed.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from hub.running_hub import RunningHub
from vmlab.names import volume_name

EARLIER = Path(__file__).parent / "earlier" / "0.1"
PASSWORD = "popu-tita-ruge-88"


def restore(folder: Path) -> None:
    """Put the folder back as that version left it."""
    shutil.copytree(EARLIER, folder, dirs_exist_ok=True)
    for file in folder.rglob("*.gz"):
        if file.suffixes == [".qcow2", ".gz"]:
            file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
            file.unlink()
    for file in folder.glob("*.sql"):
        database = sqlite3.connect(file.with_suffix(""))
        database.executescript(file.read_text())
        database.close()
        file.unlink()
    for name in ("accounts.toml", "cli.json", "cookie_secret", "jupyterhub.sqlite"):
        (folder / name).chmod(0o600)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    restore(folder)
    lab = (folder / "lab.toml").read_text()
    running = RunningHub(folder)
    (folder / "lab.toml").write_text(lab.replace("port = 27163", f"port = {running.port}"))
    with running:
        yield running


def test_the_language_and_the_progress_of_an_account_are_kept(hub):
    token = hub.user_token("ada")
    language = hub.api("GET", "vmlab/language", token=token).json()
    assert language == {"language": "fr", "is_chosen": True}
    board = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()
    rows = {row["user"]: row["begun"] for row in board["rows"]}
    begun = {
        user: [(course["course"], course["passed"]) for course in courses]
        for user, courses in rows.items()
    }
    assert begun == {"ada": [("first-steps", 1)], "bob": [], "zoe": []}


def test_passwords_and_the_token_of_the_command_line_are_kept(hub):
    assert hub.password("ada") == PASSWORD
    assert hub.land("ada", next="/hub/home")[1].url.endswith("/hub/home")
    assert hub.cli_token == json.loads((EARLIER / "cli.json").read_text())["token"]


def test_published_courses_are_delivered(hub):
    hub.start_server("bob")
    listing = hub.api("GET", "vmlab/courses", token=hub.server_token("bob")).json()
    (course,) = listing["courses"]
    archive = hub.api("GET", "vmlab/courses/first-steps/1", token=hub.server_token("bob"))
    assert course["version"] == 1
    assert archive.content == (EARLIER / "courses/first-steps/1.tar.gz").read_bytes()


def test_a_machine_gets_the_volume_that_it_had(hub):
    volume = hub.folder / "volumes" / f"{volume_name('ada')}.qcow2"
    before = subprocess.check_output(["qemu-img", "map", "--output=json", str(volume)])
    if not hub.server("ada").get("ready"):
        hub.start_server("ada")
    assert hub.server("ada")["ready"]
    hub.stop_server("ada")
    assert subprocess.check_output(["qemu-img", "map", "--output=json", str(volume)]) == before
    with sqlite3.connect(hub.folder / "vmlab.sqlite") as database:
        rows = database.execute("select name, owner, holder from volume order by name").fetchall()
    assert [row[:2] for row in rows] == [
        (volume_name("ada"), "ada"),
        (volume_name("bob"), "bob"),
    ]
