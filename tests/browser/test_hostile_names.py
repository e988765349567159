"""Hostile pages in a lab with names below the hub's own and with TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from browser.conftest import launch_browser, log_in
from browser.hostile_lab import VISITOR, Kind, run_lab
from fakes.authority import Authority
from fakes.names import LAB_NAME
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

LOGIN = "__Host-jupyterhub-hub-login"


class NamedHub(RunningHub):
    """A hub with TLS of its own under a name, by an authority that browsers do not know."""

    def __init__(self, folder: Path, **more: Any) -> None:
        certificate, key = Authority(folder).issue(LAB_NAME, f"*.{LAB_NAME}", "127.0.0.1")
        url = f"https://{LAB_NAME}"
        lines = f'certificate = "{certificate}"\nkey = "{key}"\nurl = "{url}:PORT"'
        super().__init__(folder, **more | {"hub_lines": lines})
        lab = folder / "lab.toml"
        lab.write_text(lab.read_text().replace("PORT", str(self.port)))
        self.base_url = f"{url}:{self.port}"
        self.local_url = f"https://127.0.0.1:{self.port}"
        self.api_url = f"{self.local_url}/hub/api"

    def machine_url(self, name: str) -> str:
        return f"https://{name}.{LAB_NAME}:{self.port}/user/{name}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    rules = f"MAP {LAB_NAME} 127.0.0.1, MAP *.{LAB_NAME} 127.0.0.1"
    with launch_browser(f"--host-resolver-rules={rules}") as launched:
        yield launched


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "Authority-of-the-tests.pem"))
        with run_lab(folder, Kind.OWN, NamedHub) as running:
            yield running


@pytest.mark.attack("origin.cookies", "sets the hub's cookies from a name below it, with TLS")
def test_a_visitor_stays_who_they_are_below_one_name(lab, new_page, tried):
    eve = new_page(ignore_https_errors=True)
    log_in(eve, lab.hub, "eve", keep_language=True)
    cookies = {each["name"]: each["value"] for each in eve.context.cookies()}
    visitor = new_page(ignore_https_errors=True)
    log_in(visitor, lab.hub, VISITOR, keep_language=True)
    names = (LOGIN, LOGIN.removeprefix("__Host-"), "control")
    paths = ("/", "/hub", "/hub/", "/hub/home")
    headers = [
        ("Set-Cookie", f"{name}={cookies[LOGIN]}; Path={path}; Secure{domain}")
        for name in names
        for path in paths
        for domain in ("", f"; Domain={LAB_NAME}")
    ]
    told = [("cookie", f"{name}={cookies[LOGIN]}") for name in names]
    told += [("path", path) for path in paths]
    assert lab.lure(visitor, "cookies.html", *headers, told=tuple(told))
    sent = {each["name"] for each in visitor.context.cookies(f"{lab.hub.base_url}/hub/home")}
    assert "control" in sent, "a page can set cookies for the name above its own"
    assert lab.who(visitor) == VISITOR
    tried(len(headers) + len(told))


@pytest.mark.attack("origin.pages", "reads the hub's pages from a name below it, with TLS")
def test_a_page_below_the_hub_s_name_takes_nothing(lab, new_page, tried):
    visitor = new_page(ignore_https_errors=True)
    log_in(visitor, lab.hub, VISITOR, path="/hub/token", keep_language=True)
    result = lab.lure(visitor, "plunder.html")
    tried(result["count"])
    assert (result["proofs"], result["stolen"]) == ({}, {})
