"""What `setup_api` puts into a hub's configuration."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from jupyterhub.app import JupyterHub
from traitlets.config import Config

from vmlab.hub.hello import HELLO_PATH, SOCKET_PATH
from vmlab.lab.branding import Branding
from vmlab.providers.settings import ProviderSettings
from vmlab.web.api import COURSES_SCOPE, ApiSettings, setup_api

SETTINGS = ProviderSettings("fake", Path("/nowhere/state"), Path("/nowhere/cache"))


def test_the_hub_takes_it():
    c = Config()
    setup_api(c, SETTINGS, language="fr")
    hub = JupyterHub(config=c)
    assert COURSES_SCOPE in hub.custom_scopes
    assert hub.template_vars["vmlab_language"] == "fr"
    assert hub.template_vars["vmlab_branding"] == Branding()
    ours, *stock = hub.template_paths
    assert (Path(ours) / "spawn_pending.html").is_file()
    assert stock
    paths = [handler[0] for handler in hub.extra_handlers]
    assert len(set(paths)) == len(paths)
    assert "/api/vmlab/language" in paths
    # As the proxy's own program knows them (tests/js/front.test.js).
    assert {"/hub/vmlab/hello", "/hub/vmlab/hello/socket"} == {HELLO_PATH, SOCKET_PATH}
    assert {HELLO_PATH, SOCKET_PATH} <= {f"/hub{path}" for path in paths}


def test_it_adds_to_what_is_there():
    c = Config()
    c.JupyterHub.extra_handlers = [("/x", object, {})]
    c.JupyterHub.custom_scopes = {"custom:other": {"description": "other"}}
    c.JupyterHub.template_paths = ["/own"]
    setup_api(c, SETTINGS, language="en")
    assert c.JupyterHub.extra_handlers[0][0] == "/x"
    assert set(c.JupyterHub.custom_scopes) == {"custom:other", COURSES_SCOPE}
    assert c.JupyterHub.template_paths[1:] == ["/own"]


def test_traitlets_may_copy_it():
    c = Config()
    setup_api(c, SETTINGS, language="en")
    copied = JupyterHub(config=copy.deepcopy(c))
    kwargs = [handler[2] for handler in copied.extra_handlers if "lab" in handler[2]]
    assert {k["lab"] for k in kwargs} == {ApiSettings(SETTINGS, "en")}


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="allowed: 'en', 'fr'"):
        setup_api(Config(), SETTINGS, language="de")
