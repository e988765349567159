"""What every environment of the hub is made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_nothing_is_installed_that_doubles_the_start_of_a_hub(name: str) -> None:
    pins = set(re.findall("^([a-z0-9-]+)==", (PROJECT / name).read_text(), re.MULTILINE))
    assert "jsonschema" in pins, "it imports them where they are"
    assert not {"lark", "rfc3987-syntax"} & pins
