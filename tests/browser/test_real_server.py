"""A trainee's way into a real JupyterLab behind the proxy: log-in, cookies, WebSockets."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import expect

from hub.running_hub import RunningHub
from vmlab.host import find_free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# What runs in a machine, run on the host: JupyterHub's own single-user server.
_REAL = """
import subprocess, sys

home = folder / "home"
home.mkdir()


class RealSpawner(NotingSpawner):
    async def start(self):
        await super().start()
        own = {{
            "HOME": str(home),
            "JUPYTERHUB_API_URL": self.hub.api_url,
            "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:{port}",
        }}
        command = [sys.executable, "-m", "jupyterhub.singleuser", "--allow-root"]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                command, cwd=home, env=os.environ | self.get_env() | own, stdout=log, stderr=log
            )
        (folder / "server.pid").write_text(str(server.pid))
        return "http://127.0.0.1:{port}"


c.JupyterHub.spawner_class = RealSpawner
"""
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
    extra = _REAL.format(port=find_free_port())
    with RunningHub(tmp_path, extra_config=extra, hub_lines=names) as hub:
        try:
            hub.start_server("ada")
            page = new_page()
            page.goto(f"{hub.machine_url('ada')}/lab")
            page.fill("#username_input", "ada")
            page.fill("#password_input", hub.password("ada"))
            page.click("#login_submit")
            page.wait_for_url(f"{hub.machine_url('ada')}/lab**", timeout=60_000)
            expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
            url = f"{hub.machine_url('ada')}/api"
            assert page.evaluate(WRITES, f"{url}/contents") == 201
            assert page.evaluate(OPENS, f"{url}/events/subscribe".replace("http", "ws", 1))
            sent = page.context.cookies(hub.machine_url("ada") + "/")
            assert {"jupyterhub-user-ada", "_xsrf"} <= {each["name"] for each in sent}
            page.close()  # it complains when its server goes
        finally:
            os.kill(int((tmp_path / "server.pid").read_text()), signal.SIGTERM)
