"""The machines of a trainee's group over the hub's API: whose they are, and what may be done."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name

GROUP = """
[[node]]
count = 2

[server]

[network]
"""
LABELS = ["desk", "node1", "node2", "server"]
NO_LABELS = ["node3", "", "..", "%2e%2e", "node1%00", "NODE1", "a" * 200, "desk;id", "$(id)", "é"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), lab_lines=GROUP) as running:
        running.add_user("outsider")
        running.start_server("ada")
        yield running


def call(hub, who: str, path: str, method: str = "GET"):
    return hub.api(method, f"vmlab/machines/{path}", token=hub.user_token(who))


def machines(hub, user: str, who: str = "") -> dict[str, dict]:
    answer = call(hub, who or user, user)
    assert answer.status_code == 200, answer.text
    return {row["label"]: row for row in answer.json()["machines"]}


def state(hub, user: str, label: str) -> str:
    return machines(hub, user)[label]["state"]


def test_a_trainee_sees_the_own_machines_in_the_order_of_the_lab(hub):
    answer = call(hub, "ada", "ada").json()
    assert [row["label"] for row in answer["machines"]] == LABELS
    assert [row["role"] for row in answer["machines"]] == ["desk", "node", "node", "server"]
    assert {row["state"] for row in answer["machines"]} == {"running"}
    assert answer["network"] == {"addresses": "10.77.0.0/16", "meet": "all"}
    assert [row["address"] for row in answer["machines"]] == [
        "10.77.1.1",
        "10.77.1.2",
        "10.77.1.3",
        "10.77.0.2",
    ]
    node = answer["machines"][1]
    assert (node["names"], node["own_names"]) == (["node1.t01"], ["node1"])
    assert (node["may_console"], node["may_restart"]) == (True, True)
    server = answer["machines"][3]
    assert (server["may_console"], server["may_restart"]) == (False, False)


def test_a_language_chosen_on_a_page_reaches_all_of_the_own_machines_and_not_the_server(hub):
    def speaks(language: str) -> set[str]:
        said = (line.rpartition(": speaks ") for line in hub.log.read_text().splitlines())
        return {name.split()[-1] for name, _, word in said if word == language}

    own = {row["machine"] for label, row in machines(hub, "ada").items() if label != "server"}
    language = hub.api("GET", "vmlab/language", token=hub.user_token("ada")).json()["language"]
    other = "en" if language == "fr" else "fr"
    answer = hub.api(
        "POST", "vmlab/language", token=hub.user_token("ada"), json={"language": other}
    )
    assert answer.ok, answer.text
    assert speaks(other) == own, "told before the answer"


def test_nobody_is_told_who_floods_but_the_board(hub):
    assert "limited" not in call(hub, "ada", "ada").text
    assert "flood" not in call(hub, "ada", "ada").text


def test_who_never_started_has_machines_that_are_not_there_yet(hub):
    told = machines(hub, "bob")
    assert [told[label]["state"] for label in LABELS[:3]] == ["absent"] * 3
    assert not any(told[label]["may_restart"] or told[label]["may_console"] for label in LABELS)


@pytest.mark.parametrize("who", ["facilitator", "admin"])
def test_staff_sees_a_trainees_machines_and_may_handle_the_server(hub, who):
    told = machines(hub, "ada", who)
    assert list(told) == LABELS
    assert told["server"]["may_restart"]
    assert call(hub, who, "ada/server/console").status_code == 200


def test_a_console_is_the_machines_own_and_only_text(hub):
    answer = call(hub, "ada", "ada/node1/console")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "vmlab: boot" in answer.json()["text"]
    assert call(hub, "bob", "bob/node1/console").status_code == 404, "it never ran"
    assert call(hub, "ada", "ada/server/console").status_code == 403


def test_one_machine_is_restarted_while_the_others_run(hub):
    before = {label: row["machine"] for label, row in machines(hub, "ada").items()}
    server = hub.server("ada")
    hub.set_faults(delays_s={"stop": 1.0})
    answer = call(hub, "ada", "ada/node1/restart", "POST")
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"machine": before["node1"]}
    told = machines(hub, "ada")
    assert told["node1"]["state"] == "pending"
    assert not told["node1"]["may_restart"]
    assert (told["desk"]["state"], told["node2"]["state"]) == ("running", "running")
    assert call(hub, "ada", "ada/node1/restart", "POST").status_code == 409
    hub.set_faults()
    wait_until(lambda: state(hub, "ada", "node1") == "running")
    assert hub.server("ada")["started"] == server["started"], "JupyterLab went on"
    assert {label: row["machine"] for label, row in machines(hub, "ada").items()} == before


def renewal(hub, user: str) -> dict:
    return call(hub, user, f"{user}/renew").json()


def test_the_desk_is_replaced_while_the_nodes_and_the_hubs_server_go_on(hub):
    server, token = hub.server("ada"), hub.server_token("ada")
    hub.set_faults(delays_s={"stop": 1.0})
    answer = call(hub, "ada", "ada/renew", "POST")
    assert answer.status_code == 202, answer.text
    assert answer.json()["stage"] == "alone"
    told = machines(hub, "ada")
    assert told["desk"]["state"] == "pending"
    assert (told["node1"]["state"], told["node2"]["state"]) == ("running", "running")
    assert call(hub, "ada", "ada/renew", "POST").status_code == 409
    hub.set_faults()
    wait_until(lambda: renewal(hub, "ada")["stage"] != "alone")
    over = renewal(hub, "ada")
    assert over["stage"] == "ready", over
    assert over["kept"].startswith(machine_name("ada"))
    assert state(hub, "ada", "desk") == "running"
    assert hub.server("ada")["started"] == server["started"]
    assert hub.server_token("ada") == token


def test_a_desk_that_cannot_be_replaced_is_told_in_both_languages(hub):
    hub.set_faults(fail_at="mounts", fail_message="/secret/path")
    assert call(hub, "ada", "ada/renew", "POST").status_code == 202
    wait_until(lambda: renewal(hub, "ada")["stage"] == "failed")
    hub.set_faults()
    assert set(renewal(hub, "ada")["message"]) == {"en", "fr"}
    assert "/secret" not in json.dumps(renewal(hub, "ada"))
    wait_until(lambda: not hub.server("ada"))
    hub.start_server("ada")


def test_a_node_is_replaced_while_the_others_run_and_the_server_is_not(hub):
    assert call(hub, "ada", "ada/node2/renew", "POST").status_code == 202
    wait_until(lambda: state(hub, "ada", "node2") == "running")
    assert re.search(r"node2-ada-\w+: set aside as node2-ada-", hub.log.read_text())
    assert state(hub, "ada", "node1") == "running"
    for who in ("ada", "facilitator"):
        assert call(hub, who, "ada/server/renew", "POST").status_code == 403
    assert call(hub, "bob", "ada/node1/renew", "POST").status_code == 404
    assert call(hub, "bob", "bob/node1/renew", "POST").status_code == 409, "it is off"


def test_staff_restarts_the_shared_server_and_nobody_else(hub):
    assert call(hub, "ada", "ada/server/restart", "POST").status_code == 403
    hub.set_faults(delays_s={"stop": 1.0})
    answer = call(hub, "facilitator", "ada/server/restart", "POST")
    assert answer.status_code == 202, answer.text
    again = call(hub, "facilitator", "ada/server/restart", "POST")
    assert again.status_code == 409
    assert state(hub, "ada", "node1") == "running"
    hub.set_faults()
    wait_until(lambda: state(hub, "ada", "server") == "running")


def test_why_a_restart_failed_is_told_in_both_languages_and_it_can_be_tried_again(hub):
    hub.set_faults(fail_at="mounts", fail_message="/secret/path")
    assert call(hub, "ada", "ada/node2/restart", "POST").status_code == 202
    wait_until(lambda: state(hub, "ada", "node2") != "pending")
    hub.set_faults()
    row = machines(hub, "ada")["node2"]
    assert row["state"] != "running"
    assert set(row["message"]) == {"en", "fr"}
    assert "/secret" not in json.dumps(row)
    assert machines(hub, "ada")["desk"]["state"] == "running"
    assert call(hub, "ada", "ada/node2/restart", "POST").status_code == 202
    wait_until(lambda: state(hub, "ada", "node2") == "running")
    assert machines(hub, "ada")["node2"]["message"] is None


def test_a_group_that_is_off_is_started_as_a_whole(hub):
    assert call(hub, "bob", "bob/node1/restart", "POST").status_code == 409
    assert call(hub, "bob", "bob/desk/restart", "POST").status_code == 409
    assert state(hub, "bob", "node1") == "absent"


def test_others_learn_nothing_and_change_nothing(hub):
    calls = [("GET", ""), ("GET", "/node1/console"), ("POST", "/node1/restart")]
    token = hub.server_token("ada")
    for method, path in calls:
        for user, who in (("ada", "bob"), ("nobody", "bob"), ("outsider", "facilitator")):
            assert call(hub, who, f"{user}{path}", method).status_code == 404
        own = hub.api(method, f"vmlab/machines/ada{path}", token=token)
        assert own.status_code == 404, "a machine's own token is not enough"
        few = hub.user_token("ada", scopes=["read:users!user", "read:servers!user"])
        assert hub.api(method, f"vmlab/machines/ada{path}", token=few).status_code == 404
        url = f"{hub.api_url}/vmlab/machines/ada{path}"
        assert requests.request(method, url, timeout=60).status_code == 403, "nobody's token"
    assert state(hub, "ada", "node1") == "running"


@pytest.mark.parametrize("label", NO_LABELS)
def test_labels_that_are_none(hub, label):
    for method, what in (("GET", "console"), ("POST", "restart")):
        answer = call(hub, "ada", f"ada/{label}/{what}", method)
        assert answer.status_code in {404, 405}
        assert "Traceback" not in answer.text


def test_a_page_elsewhere_cannot_have_a_machine_restarted(hub):
    session = hub.login("ada")
    url = f"{hub.base_url}/hub/api/vmlab/machines/ada/node1/restart"
    assert session.post(url, timeout=60).status_code == 403, "no XSRF token"
    assert state(hub, "ada", "node1") == "running"


def test_consoles_are_not_read_without_end(hub):
    path, token = "vmlab/machines/eve/node1/console", hub.user_token("eve")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: hub.api("GET", path, token=token), range(200)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(answers) - len(refused) >= 60
    assert refused
    assert int(refused[0].headers["Retry-After"]) > 0


def test_the_board_tells_the_machines_beside_the_desk_and_the_shared_ones(hub):
    board = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()
    rows = {row["user"]: row for row in board["rows"]}
    assert rows["ada"]["machines"] == [
        {"label": "node1", "state": "running", "problem": ""},
        {"label": "node2", "state": "running", "problem": ""},
    ]
    assert [each["state"] for each in rows["bob"]["machines"]] == ["absent", "absent"]
    (server,) = board["shared"]
    assert (server["label"], server["state"]) == ("server", "running")
    assert rows["ada"]["machine"] == machine_name("ada")
