"""A trainee's own courses over HTTP: for their machine and for them, and for nobody else."""

from __future__ import annotations

import pytest

from fakes.courses import make_files
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.courses import pack_course


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running


def own(hub, token: str):
    return hub.api("GET", "vmlab/own/courses", token=token)


def passed(answer) -> list[str]:
    answer.raise_for_status()
    (course,) = answer.json()["courses"]
    return [s["name"] for e in course["exercises"] for s in e["steps"] if s["passed"]]


def test_each_sees_their_own_progress(hub):
    hub.report("ada", "01-who/user").raise_for_status()
    # What all machines share is up to a second old.
    answer = wait_until(lambda: passed(got := own(hub, hub.server_token("ada"))) and got)
    assert passed(answer) == ["user"]
    assert answer.json()["current"] == {"course": "first-steps", "exercise": "01-who"}
    (course,) = answer.json()["courses"]
    assert course["title"] == {"en": "First steps", "fr": "Premiers pas"}
    assert course["exercises"][0]["title"] == {"en": "Who am I?", "fr": "Qui suis-je ?"}
    assert passed(own(hub, hub.server_token("bob"))) == []
    session = hub.login("ada")
    page = session.get(f"{hub.base_url}/hub/home", timeout=60).text
    proof = {"X-XSRFToken": session.cookies.get("_xsrf", path="/hub/"), "Sec-Fetch-Mode": "cors"}
    url = f"{hub.base_url}/hub/api/vmlab/own/courses"
    assert passed(session.get(url, headers=proof, timeout=60)) == ["user"]
    assert 'id="vm-course"' in page


def test_a_token_for_something_else_shows_nothing(hub):
    visiting = hub.user_token("admin", ["access:servers!server=ada/"])  # as a log-in at a machine
    assert own(hub, visiting).status_code == 403
    assert own(hub, hub.user_token("bob", ["read:users:name!user"])).status_code == 403
    assert own(hub, "no-such-token").status_code == 403


def test_the_guide_is_a_page_in_both_languages(hub):
    page = hub.login("bob").get(f"{hub.base_url}/hub/vmlab/guide", timeout=60)
    page.raise_for_status()
    texts = ("<em>Start my machine</em>", "Bloqué\u202f?")
    for words in ('<div lang="en">', '<div lang="fr">', *texts):
        assert words in page.content.decode()
    assert "pictures/" not in page.text
