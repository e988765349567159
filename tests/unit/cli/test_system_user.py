"""The user that disk tools run as: two processes that start at once both want it."""

from __future__ import annotations

import os

import pytest

from vmlab.system import worker


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_who_finds_the_user_made_by_another_meanwhile_goes_on(monkeypatch) -> None:
    has_user = iter([False, True])  # when it looks, and after the real useradd said "exists"
    monkeypatch.setattr(worker, "TOOLS_USER", "root")
    monkeypatch.setattr(worker, "_has_user", lambda _: next(has_user))
    worker.ensure_tools_user()
    assert list(has_user) == [], "useradd was asked"
