"""The oldest JupyterHub that VMLab promises to work with; all other tests run with the newest.

`make test-hub-versions` runs the whole folder with either.
"""

from __future__ import annotations

import subprocess
import tomllib

import pytest

from fakes.courses import make_files
from fakes.waiting import wait_until
from hub.running_hub import PROJECT, RunningHub
from vmlab.courses import pack_course

NO_INDEX = 3  # scripts/hub-venv


@pytest.fixture(scope="module")
def oldest(tmp_path_factory) -> str:
    """The Python of an environment with that JupyterHub."""
    folder = tmp_path_factory.mktemp("oldest")
    command = [PROJECT / "scripts" / "hub-venv", "oldest", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == NO_INDEX:
        pytest.skip(f"no older JupyterHub can be downloaded: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def promised() -> str:
    needs = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    (need,) = (need for need in needs if need.startswith("jupyterhub>="))
    return need.removeprefix("jupyterhub>=").partition(",")[0]


def board(hub: RunningHub, token: str) -> dict[str, tuple[str, int]]:
    """What a facilitator sees of each trainee: the machine's state and the checks passed."""
    answer = hub.api("GET", "vmlab/board", token=token, params={"course": "first-steps"})
    return {row["user"]: (row["state"], row["passed"]) for row in answer.json()["rows"]}


def test_a_machine_starts_reports_is_on_the_board_and_stops(oldest, tmp_path):
    with RunningHub(tmp_path, python=oldest) as hub:
        assert hub.api("GET", "").json()["version"] == promised()
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        hub.api("POST", path, token=hub.cli_token, data=data).raise_for_status()

        ada = hub.login("ada")
        hub.start_server("ada")
        hub.report("ada", "01-who/user").raise_for_status()
        seen = ada.get(f"{hub.machine_url('ada')}/api", timeout=60)
        assert seen.json() == {"fake": True}

        token = hub.user_token("facilitator")
        assert board(hub, token)["ada"] == ("running", 1)

        hub.stop_server("ada")
        # The board is up to a second old.
        wait_until(lambda: board(hub, token)["ada"] == ("stopped", 1))
