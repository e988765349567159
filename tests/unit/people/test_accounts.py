"""Passwords: made once, kept private, never changed, and never repeated in a message."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError, HostError
from vmlab.lab.lab import USER_NAME_PATTERN
from vmlab.lab.toml_errors import parse_toml
from vmlab.people.accounts import ensure_passwords, format_passwords, make_password, read_passwords


def test_passwords_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "state" / "accounts.toml"
    first = ensure_passwords(file, ["ada", "grace"])
    assert set(first) == {"ada", "grace"}
    assert first["ada"] != first["grace"]
    more = ensure_passwords(file, ["ada", "linus"])
    assert more["ada"] == first["ada"]
    assert read_passwords(file) == first | more, "a name that left keeps its password"


def test_the_file_is_private_even_after_an_edit(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    ensure_passwords(file, ["ada"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    ensure_passwords(file, ["ada"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_password_has_the_promised_randomness() -> None:
    words = [make_password() for _ in range(2000)]
    assert len(set(words)) == len(words)
    assert {c for word in words for c in word} == set("bdfgklmnprstvzaeiou23456789-")
    assert all(len(word) == len("rivo-dasu-pena-47") for word in words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[passwords]\nada = "geheim"', ":2: passwords.ada: the password is too short or too long"),
        ("[passwords]\nada = 12345678", ":2: passwords.ada: the password is not a text"),
        ('[passwords]\n"A B" = "geheimgeheim"', ":2: passwords.A B: 'A B' cannot be an account"),
        ("passwords = 1", ":1: passwords: 1 is not a section"),
        ("[paswords]", ":1: paswords: unknown key; did you mean 'passwords'?"),
    ],
)
def test_mistakes_of_an_edit_are_named_without_the_password(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_passwords(file)
    assert message in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "12345678" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"passwords cannot be kept in .*accounts\.toml"):
        ensure_passwords(tmp_path / "file" / "accounts.toml", ["ada"])


@given(st.dictionaries(st.from_regex(USER_NAME_PATTERN, fullmatch=True), st.text()))
def test_any_password_survives_the_file(passwords: dict[str, str]) -> None:
    file = parse_toml(format_passwords(passwords), "accounts.toml")
    assert file.data["passwords"] == passwords
