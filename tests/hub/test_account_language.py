"""The language of an account: taken over at log-in, changed on pages and by machines, kept."""

from __future__ import annotations

import re

import pytest
import requests

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), language="en") as running:
        yield running


def language_of(hub, name: str) -> dict:
    return hub.api("GET", "vmlab/language", token=hub.user_token(name)).json()


def choose(hub, language: object, token: str) -> requests.Response:
    return hub.api("POST", "vmlab/language", token=token, json={"language": language})


def log_in_showing(hub, name: str, language: str) -> requests.Session:
    """Log in from a page that was shown in this language."""
    assert 'name="language"' in requests.get(f"{hub.base_url}/hub/login", timeout=60).text
    return hub.login(name, language=language)


def chosen_on_page(session: requests.Session, hub) -> str:
    page = session.get(f"{hub.base_url}/hub/home", timeout=60).text
    return re.search(r'"chosen": "([a-z]*)"', page)[1]


def test_the_lab_s_language_is_that_of_who_never_chose(hub):
    assert language_of(hub, "admin") == {"language": "en", "is_chosen": False}


def test_the_log_in_page_s_language_is_taken_over_once(hub):
    session = log_in_showing(hub, "bob", "fr")
    assert chosen_on_page(session, hub) == "fr"
    assert language_of(hub, "bob") == {"language": "fr", "is_chosen": True}
    session = log_in_showing(hub, "bob", "en")
    assert chosen_on_page(session, hub) == "fr", "bob has one"
    for odd in ("de", "", "<script>"):
        assert chosen_on_page(log_in_showing(hub, "facilitator", odd), hub) == ""


def test_a_start_speaks_it_and_a_machine_at_work_is_told(hub):
    assert choose(hub, "fr", hub.user_token("ada")).json()["language"] == "fr"
    hub.start_server("ada")
    machine = machine_name("ada")
    assert f"{machine}: speaks fr" in hub.log.read_text(), "from its seed"
    assert choose(hub, "en", hub.user_token("ada")).ok
    wait_until(lambda: f"{machine}: speaks en" in hub.log.read_text())
    # From the machine itself: the switch in JupyterLab.
    assert choose(hub, "fr", hub.server_token("ada")).ok
    assert hub.log.read_text().count(f"{machine}: speaks fr") == 2, "told before the answer"
    assert language_of(hub, "ada") == {"language": "fr", "is_chosen": True}
    assert f"{machine_name('bob')}: speaks" not in hub.log.read_text()


def test_a_choice_outlives_the_hub(tmp_path):
    with RunningHub(tmp_path, language="en") as hub:
        assert choose(hub, "fr", hub.user_token("ada")).ok
        hub.stop()
        hub.start()
        assert language_of(hub, "ada") == {"language": "fr", "is_chosen": True}


def test_only_languages_that_there_are(hub):
    for odd in ("de", "", 1, None, ["fr"], {"fr": 1}):
        answer = choose(hub, odd, hub.user_token("eve"))
        assert answer.status_code == 400, odd
        assert "en, fr" in answer.json()["message"]
    assert language_of(hub, "eve")["is_chosen"] is False


def test_nobody_chooses_for_others(hub):
    for token in ("", "x" * 32, hub.user_token("eve", scopes=["read:users!user"]), hub.token):
        assert choose(hub, "fr", token).status_code == 403
    assert language_of(hub, "eve")["is_chosen"] is False
