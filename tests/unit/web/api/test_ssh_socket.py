"""Who may open the WebSocket for SSH: programs, and no page."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from vmlab.web.api.ssh_socket import is_from_page


@pytest.mark.attack("ssh.pages", "says of itself what browsers say of pages")
@pytest.mark.parametrize("name", ["Origin", "origin", "Sec-WebSocket-Origin", "Sec-Fetch-Site"])
@pytest.mark.parametrize(
    "value", ["https://hub.example", "https://elsewhere.example", "null", "same-origin", "none", ""]
)
def test_every_page_is_told_from_a_program(name, value, tried):
    headers = HTTPHeaders({"Host": "hub.example", "Upgrade": "websocket", name: value})
    assert is_from_page(headers)
    tried(1)


def test_a_program_says_nothing_of_a_page():
    program = {"Host": "hub.example", "User-Agent": "vmlab-ssh", "Sec-WebSocket-Version": "13"}
    assert not is_from_page(HTTPHeaders(program))
