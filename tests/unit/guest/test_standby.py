"""Which servers a standby server can become."""

from __future__ import annotations

import pytest

from vmlab_guest.standby import can_become

ENV = {
    "JUPYTERHUB_API_TOKEN": "secret",
    "JUPYTERHUB_API_URL": "http://10.0.2.2:8081/hub/api",
    "JUPYTERHUB_ACTIVITY_URL": "http://10.0.2.2:8081/hub/api/users/ada/activity",
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
    "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "0",
    "JUPYTERHUB_HOST": "",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES": "[]",
    "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ada/oauth_callback",
    "JUPYTERHUB_SERVER_NAME": "",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
    "JUPYTERHUB_USER": "ada",
    "MEM_LIMIT": "536870912",
    "GREETING": "hello",
}
ARGS = ("--HubOAuth.base_url=/user/ada/",)


def test_the_usual_server(tmp_path):
    assert can_become(ENV, ARGS, tmp_path)
    assert can_become(ENV, (), tmp_path)
    own = {"JUPYTERHUB_SERVICE_URL": "http://10.0.2.15:8888/user/ada/"}
    assert can_become({**ENV, **own}, ARGS, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"JUPYTERHUB_BASE_URL": "/lab/"},
        {"JUPYTERHUB_DEFAULT_URL": "/tree"},
        {"JUPYTERHUB_ROOT_DIR": "/srv"},
        {"JUPYTERHUB_SSL_KEYFILE": "/key"},
        {"JUPYTERHUB_DISABLE_USER_CONFIG": "1"},
        {"JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:9999/user/ada/"},
        {"JUPYTERHUB_SERVICE_URL": "https://0.0.0.0:8888/user/ada/"},
        {"JUPYTERHUB_SERVICE_URL": "http://machine:8888/user/ada/"},
        {"JUPYTERHUB_SERVICE_URL": "/user/ada/"},
        {"JUPYTER_CONFIG_DIR": "/etc/x"},
        {"HOME": "/elsewhere"},
    ],
)
def test_what_was_read_while_it_was_made_must_be_the_same(tmp_path, change):
    assert not can_become({**ENV, **change}, ARGS, tmp_path)


def test_a_word_that_is_missing_is_no_identity(tmp_path):
    assert not can_become({k: v for k, v in ENV.items() if k != "JUPYTERHUB_USER"}, ARGS, tmp_path)


def test_further_arguments_need_a_server_of_their_own(tmp_path):
    assert not can_become(ENV, (*ARGS, "--debug"), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        ".jupyter/jupyter_server_config.py",
        ".jupyter/jupyter_lab_config.json",
        ".jupyter/jupyter_server_config.d/mine.json",
        ".local/etc/jupyter/jupyter_config.json",
    ],
)
def test_a_trainees_own_configuration_counts(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert not can_become(ENV, ARGS, tmp_path)


def test_a_trainees_settings_of_the_page_do_not(tmp_path):
    folder = tmp_path / ".jupyter/lab/user-settings"
    folder.mkdir(parents=True)
    (folder / "themes.jupyterlab-settings").write_text("{}")
    assert can_become(ENV, ARGS, tmp_path)
