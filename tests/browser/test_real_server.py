"""A trainee's way into a real JupyterLab behind the proxy: log-in, cookies, WebSockets."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from fakes.real_server import REAL_SERVER, stop_server
from hub.running_hub import RunningHub
from vmlab.system.host import find_free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

OPENS = """
url => new Promise((yes, no) => {
  const socket = new WebSocket(url);
  socket.onopen = () => yes(true);
  socket.onerror = () => no(new Error("no WebSocket"));
})
"""
WRITES = """
async (url) => {
  const proof = /_xsrf=([^;]+)/.exec(document.cookie)[1];
  const headers = { "X-XSRFToken": proof, "Content-Type": "application/json" };
  const body = JSON.stringify({ type: "directory" });
  return (await fetch(url, { method: "POST", headers, body })).status;
}
"""


@pytest.mark.parametrize("names", ["", "one_origin = true"], ids=["own-names", "one-name"])
def test_jupyterlab_works_behind_the_borders(tmp_path, new_page, names):
    extra = REAL_SERVER.format(port=find_free_port())
    with RunningHub(tmp_path, extra_config=extra, hub_lines=names) as hub:
        try:
            hub.start_server("ada")
            page = new_page()
            page.goto(f"{hub.machine_url('ada')}/lab")
            page.fill("#username_input", "ada")
            page.fill("#password_input", hub.password("ada"))
            page.click("#login_submit")
            page.wait_for_url(f"{hub.machine_url('ada')}/lab**")
            expect(page.locator("#jp-main-dock-panel")).to_be_visible()
            url = f"{hub.machine_url('ada')}/api"
            assert page.evaluate(WRITES, f"{url}/contents") == 201
            assert page.evaluate(OPENS, f"{url}/events/subscribe".replace("http", "ws", 1))
            sent = page.context.cookies(hub.machine_url("ada") + "/")
            assert {"jupyterhub-user-ada", "_xsrf"} <= {each["name"] for each in sent}
            page.close()  # it complains when its server goes
        finally:
            stop_server(tmp_path)
