"""How doctor knows its own hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

from vmlab.cli.outside import outside_findings
from vmlab.hub.access import ensure_cli_access
from vmlab.hub.hello import HELLO_PATH, Heard, is_nonce, make_proof, read_heard
from vmlab.hub.lock import Holder, HubLock
from vmlab.lab.lab import parse_lab
from vmlab.paths import Paths
from vmlab.providers.facts import Level
from vmlab.providers.settings import ProviderSettings
from vmlab.web.api.hello import hear
from vmlab.web.api.runtime import ApiSettings

words = st.text(st.characters(exclude_categories=["Cs"]))
heard = st.builds(Heard, words, words, words, words)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(heard)
def test_an_answer_is_read_as_it_was_given(answer: Heard) -> None:
    assert read_heard(json.dumps(asdict(answer))) == answer


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_whatever_else_answers_is_told_apart(text: str | bytes) -> None:
    assert read_heard(text) is None


@given(st.text(), st.text())
def test_a_proof_is_for_one_secret_and_one_number(one: str, other: str) -> None:
    proof = make_proof("secret", "0" * 32)
    assert len(proof) == 64
    assert (make_proof(f"secret{one}", f"{'0' * 32}{other}") == proof) is (one == other == "")


@given(st.text())
def test_what_is_a_number(text: str) -> None:
    assert is_nonce("0123456789abcdef" * 2)
    assert not is_nonce(text) or len(text) == 32


NONCE = "0" * 32
PUBLIC = '[hub]\nurl = "https://lab.example.org/"\n[accounts]\ntrainees = 1\n'


def ask(state: Path) -> str:
    line = RequestStartLine("GET", f"{HELLO_PATH}?nonce={NONCE}", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "lab.example.org"})
    request = HTTPServerRequest(start_line=line, headers=headers, connection=HTTPConnection())
    return hear(request, ApiSettings(ProviderSettings("fake", state, state), "en"))


def test_a_hub_without_a_secret_proves_nothing(tmp_path: Path) -> None:
    """The proof with an empty secret is one that anybody can make."""
    with pytest.raises(HTTPError) as caught:
        ask(tmp_path)
    assert caught.value.status_code == 503
    (tmp_path / "cli.json").write_text('{"url": "http://127.0.0.1:1/", "token": ""}')
    with pytest.raises(HTTPError):
        ask(tmp_path)
    access = ensure_cli_access(Paths(tmp_path, tmp_path))
    assert access.url == "http://127.0.0.1:1/"
    heard = read_heard(ask(tmp_path))
    assert heard
    assert heard.proof == make_proof(access.token, NONCE)


async def test_doctor_without_a_secret_believes_nobody(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path)
    lab = parse_lab(PUBLIC, tmp_path / "lab.toml")
    with HubLock(paths) as lock:
        lock.write(Holder(1, 1, "http://127.0.0.1:1/", str(lab.file), "fake", 0.0))
        [found] = await outside_findings(lab, paths)
    assert found.level is Level.FAIL
    assert "cli.json" in found.found
