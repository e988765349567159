"""Which server a token belongs to: only its own scope counts."""

from __future__ import annotations

import pytest
from jupyterhub.scopes import parse_scopes

from vmlab.web.api.identity import ServerIdentity, identify_server


def identify(*scopes: str, user: str = "ada") -> ServerIdentity | None:
    return identify_server(user, parse_scopes(frozenset(scopes)))


@pytest.mark.parametrize(
    ("scopes", "server"),
    [
        (["access:servers!server=ada/", "users:activity!user=ada"], ""),
        (["access:servers!server=ada/second"], "second"),
        (["access:servers!server=ada/", "access:servers!server=bob/"], ""),
    ],
)
def test_a_server(scopes, server):
    assert identify(*scopes) == ServerIdentity("ada", server)


@pytest.mark.parametrize(
    "scopes",
    [
        [],
        ["users:activity!user=ada"],
        ["access:servers"],  # an administrator's own token
        ["access:servers!user=ada"],  # a trainee's own token with all rights
        ["access:servers!group=trainees"],
        ["access:servers!server=bob/"],  # a visitor at somebody else's server
        ["access:servers!server=adalbert/"],
        ["access:servers!server=ada/", "access:servers!server=ada/second"],  # which one?
        ["read:servers!server=ada/"],
    ],
)
def test_no_server(scopes):
    assert identify(*scopes) is None
