"""The hub's configuration where it can be looked at without a hub; tests/hub/ runs it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from vmlab.configure import prepare_state
from vmlab.errors import HostError
from vmlab.hub.access import find_access, read_cli_access
from vmlab.hub.proxy import find_proxy, proxy_command
from vmlab.lab.lab import Lab, parse_lab
from vmlab.lab.origins import Origins
from vmlab.paths import Paths
from vmlab.people.roles import make_roles
from vmlab.providers.settings import provider_settings


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "state", tmp_path / "cache")


@pytest.fixture
def lab() -> Lab:
    text = '[provider]\nname = "fake"\n[accounts]\ntrainees = 2\nfacilitators = ["f", "g"]\n'
    return parse_lab(text, Path("/labs/lab.toml"))


def test_secrets_are_private_and_stay(lab: Lab, paths: Paths) -> None:
    passwords = prepare_state(lab, paths)
    access = read_cli_access(paths)
    for name in ("accounts.toml", "cli.json", "jupyterhub.sqlite"):
        assert stat.S_IMODE((paths.state / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(paths.state.stat().st_mode) == 0o711
    assert prepare_state(lab, paths) == passwords
    assert read_cli_access(paths) == access
    assert 8 <= len(access.token) < 64, "longer ones are refused by the hub"


def test_another_start_keeps_the_token(lab: Lab, paths: Paths) -> None:
    prepare_state(lab, paths)
    before = read_cli_access(paths)
    assert before.token
    prepare_state(parse_lab("[hub]\nport = 9999", lab.file), paths)
    assert read_cli_access(paths) == before


def test_a_damaged_access_file_is_named(lab: Lab, paths: Paths) -> None:
    paths.state.mkdir()
    (paths.state / "cli.json").write_text("{")
    with pytest.raises(HostError, match=r"cli\.json cannot be read"):
        prepare_state(lab, paths)


def test_a_hub_that_has_no_address_yet_is_not_asked(lab: Lab, paths: Paths) -> None:
    prepare_state(lab, paths)
    with pytest.raises(HostError, match=r"not started yet: .*cli\.json names no address"):
        find_access(paths)
    assert find_access(paths, "http://127.0.0.1:1/").token == read_cli_access(paths).token


def test_a_state_folder_that_is_a_file_is_named(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(HostError, match=r"the state folder .*/state cannot be prepared"):
        prepare_state(lab, Paths(tmp_path / "state", tmp_path))


@pytest.mark.parametrize(
    "content",
    [pytest.param(str(os.getpid()), id="own"), "no number", "", "0", "-1", "9" * 30],
)
def test_a_pid_file_that_names_no_proxy_is_forgotten(lab: Lab, paths: Paths, content: str) -> None:
    """JupyterHub would kill whatever process has that number now: here, this test."""
    paths.state.mkdir()
    pid_file = paths.state / "proxy.pid"
    pid_file.write_text(content)
    assert find_proxy(pid_file) is None
    prepare_state(lab, paths)
    assert not pid_file.exists()


def test_facilitators_see_trainees_only_and_are_no_administrators(lab: Lab) -> None:
    roles = {role["name"]: role for role in make_roles(lab)}
    facilitator = roles["facilitator"]
    assert facilitator["users"] == ["f", "g"]
    unlimited = [s for s in facilitator["scopes"] if "!group=trainees" not in s]
    assert unlimited == ["admin-ui"]
    assert not any(s.startswith("access:servers") for s in facilitator["scopes"])
    assert set(roles["trainer"]["scopes"]) - set(facilitator["scopes"]) == {"custom:vmlab:courses"}
    assert roles["admin"]["users"] == ["admin"]


def test_every_process_of_a_lab_uses_the_same_provider(lab: Lab, paths: Paths) -> None:
    settings = provider_settings(lab, paths)
    assert settings == provider_settings(lab, paths)
    assert (settings.name, settings.options) == ("fake", ())


def test_the_proxy_knows_whom_to_believe() -> None:
    project = Path(__file__).parents[2]
    origins = Origins("https://lab.example.org/", "https://*.lab.example.org", shared=False)
    *_, settings = proxy_command(
        project,
        front=("10.0.0.1",),
        listener=Path("/state/proxy.sock"),
        plain=(80, 8443),
        origins=origins,
    )
    assert json.loads(settings) == {
        "front": ["10.0.0.1"],
        "listener": "/state/proxy.sock",
        "plain": {"port": 80, "to_port": 8443},
        "origins": {
            "canonical": "https://lab.example.org/",
            "machines": "https://*.lab.example.org",
            "shared": False,
        },
        "files": None,
    }
    assert json.loads(proxy_command(project)[-1]) == {
        "front": [],
        "listener": None,
        "plain": None,
        "origins": {"canonical": "", "machines": "", "shared": True},
        "files": None,
    }


def test_a_missing_proxy_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="configurable-http-proxy is missing") as caught:
        proxy_command(tmp_path)
    assert "make lab" in caught.value.hint
