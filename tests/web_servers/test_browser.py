"""A trainee's way to the machine by public names: chromium, nginx with TLS, a real hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import launch_browser, log_in, new_page  # noqa: F401 - a fixture
from fakes.names import LAB_NAME
from fakes.web_servers import RunningWebServer
from vmlab.network.web_servers import WebServer
from web_servers.conftest import NamedLab

pytestmark = pytest.mark.browser

BOOT_S = 60.0  # until it has been seen
ECHO = """
url => new Promise((resolve, reject) => {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send("from the browser");
  socket.onmessage = (event) => resolve(event.data);
  socket.onerror = () => reject(new Error("no WebSocket"));
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    rules = f"MAP {LAB_NAME} 127.0.0.1, MAP *.{LAB_NAME} 127.0.0.1"
    with launch_browser(f"--host-resolver-rules={rules}") as launched:
        yield launched


# What a machine's page tries: a cookie for all names, one for the hub's path, one for itself.
FORGERIES = [
    f"{name}=forged; Secure; {more}"
    for name in ("__Host-jupyterhub-hub-login", "jupyterhub-hub-login")
    for more in (f"Domain={LAB_NAME}; Path=/", f"Domain={LAB_NAME}; Path=/hub/", "Path=/")
]


@pytest.mark.attack("tls.cookies", "a machine's page writes the hub's log-in cookie, in chromium")
def test_from_the_log_in_to_the_machines_own_origin(
    lab: NamedLab,
    new_page,  # noqa: F811
    tmp_path: Path,
    tried,
) -> None:
    name = "eve"
    lab.hub.set_faults(delays_s={"boot": BOOT_S})
    with RunningWebServer(WebServer.NGINX, lab.site(port=lab.port), tmp_path):
        page = new_page(ignore_https_errors=True)
        log_in(page, lab.hub, name)
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        cookie = cookies["__Host-jupyterhub-hub-login"]
        assert (cookie["secure"], cookie["path"], cookie["sameSite"]) == (True, "/", "Lax")
        assert cookie["domain"] == LAB_NAME, "without a dot ahead: this host only"
        assert all(cookie["secure"] for cookie in cookies.values())

        page.locator("#start").click()
        # Events of the start arrive while it lasts.
        expect(page.locator(".vm-stage").nth(1)).to_have_attribute("aria-current", "step")
        lab.hub.set_faults()
        page.wait_for_url(f"{lab.machine_url(name)}/user/{name}/**")
        assert page.evaluate("location.origin") == lab.machine_url(name)
        url = f"{lab.machine_url(name)}/user/{name}/echo".replace("https:", "wss:")
        assert page.evaluate(ECHO, url) == "from the browser"

        for forgery in FORGERIES:
            page.evaluate("cookie => { document.cookie = cookie }", forgery)
        kept = page.context.cookies(f"{lab.url}/hub/home")
        (found,) = (each for each in kept if each["name"] == cookie["name"])
        assert found["value"] == cookie["value"]
        page.goto(f"{lab.url}/hub/home")
        expect(page.locator("#stop")).to_be_visible()
        tried(len(FORGERIES))
    lab.hub.stop_server(name)
