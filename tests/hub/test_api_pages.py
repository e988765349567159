"""Every page of the hub renders with our templates, and our files are served."""

from __future__ import annotations

import re

import pytest
import requests

from hub.running_hub import RunningHub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), language="fr") as running:
        yield running


@pytest.mark.parametrize("path", ["home", "token", "admin"])
def test_pages_for_people(hub, path):
    page = hub.login("admin").get(f"{hub.base_url}/hub/{path}", timeout=60)
    assert page.status_code == 200
    assert 'data-default-language="fr"' in page.text
    assert page.text.count('lang="en"') > 3
    assert page.text.count('<span lang="fr"') == page.text.count('<span lang="en"')


@pytest.mark.parametrize(
    ("path", "status"),
    [("login", 200), ("logout", 200), ("nothing", 404), ("admin", 200), ("api/nothing", 404)],
)
def test_pages_for_strangers(hub, path, status):
    page = requests.get(f"{hub.base_url}/hub/{path}", timeout=60)
    assert page.status_code == status
    assert "Traceback" not in page.text


def test_every_file_that_a_page_names_is_there(hub):
    session = hub.login("admin")
    files = set()
    for path in ("home", "admin"):
        page = session.get(f"{hub.base_url}/hub/{path}", timeout=60).text
        files |= set(re.findall(r'(?:src|href)="(/hub/vmlab-static/[^"]+)"', page))
    assert len(files) >= 4
    for file in files:
        answer = requests.get(f"{hub.base_url}{file}", timeout=60)
        assert answer.status_code == 200, file
        kinds = ("text/", "script", "image/svg+xml")
        assert any(kind in answer.headers["Content-Type"] for kind in kinds)


@pytest.mark.parametrize("path", ["../__init__.py", "%2e%2e/__init__.py", "/etc/passwd", ""])
def test_nothing_else_is_served(hub, path):
    request = requests.Request("GET", "http://x").prepare()
    request.url = f"{hub.base_url}/hub/vmlab-static/{path}"
    answer = requests.Session().send(request, timeout=60)
    assert answer.status_code in {403, 404}


@pytest.mark.parametrize("name", ["facilitator", "trainer", "admin"])
def test_staff_gets_no_machine_by_logging_in_and_one_on_purpose(hub, name):
    session, page = hub.land(name)
    assert page.url == f"{hub.base_url}/hub/home"
    assert "Ouvrir le tableau de bord" in page.text
    for path in ("/", "/hub/", "/hub/login"):
        assert session.get(f"{hub.base_url}{path}", timeout=60).url == page.url
    assert hub.server(name) == {}
    session.get(f"{hub.base_url}/hub/spawn/{name}", timeout=60)
    assert hub.server(name)


def test_a_trainee_gets_a_machine_by_logging_in(hub):
    _, page = hub.land("ada")
    assert "/ada" in page.url
    assert "home" not in page.url
    assert hub.server("ada")
