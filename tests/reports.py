"""A pytest plugin: reports of tests that xdist's workers can send, whatever a test wrote."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


def sendable(value: Any) -> Any:
    """Return it with what UTF-8 cannot write spelled out: a file's name may hold any byte."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {sendable(key): sendable(each) for key, each in value.items()}
        case list() | tuple():
            return type(value)(sendable(each) for each in value)
    return value


class SendableReports:
    """Without it a worker ends at the first such report, and the run with it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, Any]:
        return sendable((yield))
