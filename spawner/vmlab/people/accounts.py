"""Passwords: made at first start for accounts that have none, never changed afterwards.

They are in one file that only the operator (and the hub) can read, in plain text, because the
operator hands them out. A trainer who wants another password edits the file; the hub notices.
Logging in is `vmlab.people.authenticator`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from vmlab.errors import HostError
from vmlab.lab.lab import USER_NAME_RULE, is_user_name
from vmlab.lab.toml_errors import load_toml, show
from vmlab_protocol.atomic import write_atomic

MIN_PASSWORD_LENGTH: Final = 8
MAX_PASSWORD_LENGTH: Final = 200

# Without letters and digits that look or sound alike; no c, q, w, x, y, h, j: the same sound in
# English and French. 14 * 5 = 70 syllables, 6.1 bits each.
_CONSONANTS: Final = "bdfgklmnprstvz"
_VOWELS: Final = "aeiou"
_DIGITS: Final = "23456789"

_HEADER: Final = """\
# Passwords of the accounts in lab.toml. Made by `vmlab up` for names that have none; a password
# in this file is never changed. Edit it here: the hub notices. Keep this file to yourself.
"""


def make_password() -> str:
    """Return a password that can be read out loud, of 43 random bits: `rivo-dasu-pena-47`."""
    syllables = [secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(6)]
    words = ["".join(syllables[i : i + 2]) for i in (0, 2, 4)]
    number = secrets.choice(_DIGITS) + secrets.choice(_DIGITS)
    return "-".join([*words, number])


def read_passwords(path: Path) -> dict[str, str]:
    """Return the password of each account; nothing when there is no file yet.

    Raises:
        ConfigError: somebody edited the file and it has mistakes; a password is never repeated.
    """
    if not path.exists():
        return {}
    file = load_toml(path)
    table = file.root().table("passwords")
    passwords: dict[str, str] = {}
    for name in table.keys():  # noqa: SIM118 - not a mapping
        password = table.raw(name)
        if not is_user_name(name):
            table.mistake(name, f"{show(name)} cannot be an account; allowed: {USER_NAME_RULE}")
        if not isinstance(password, str):
            table.mistake(name, "the password is not a text between quotes")
        elif not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
            allowed = f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"
            table.mistake(name, f"the password is too short or too long; allowed: {allowed}")
        else:
            passwords[name] = password
    file.finish(hint=f"correct the line, or remove it: a new password is made ({path})")
    return passwords


def ensure_passwords(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Make a password for each name that has none; return those of these names.

    Passwords of other names stay in the file: whoever comes back finds the old one.

    Raises:
        ConfigError: the file has mistakes.
        HostError: it cannot be written, or others can read it and that cannot be changed.
    """
    wanted = list(names)
    passwords = read_passwords(path)
    missing = [name for name in wanted if name not in passwords]
    passwords |= {name: make_password() for name in missing}
    try:
        if missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, format_passwords(passwords).encode())
        elif path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as e:
        raise HostError(
            f"passwords cannot be kept in {path}: {e.strerror}",
            hint="check free space and who owns the folder, or set VMLAB_STATE to another folder",
        ) from e
    return {name: passwords[name] for name in wanted}


def format_passwords(passwords: Mapping[str, str]) -> str:
    """Return the file's text, sorted by name."""
    lines = [f"{_quote(name)} = {_quote(word)}" for name, word in sorted(passwords.items())]
    return "\n".join([_HEADER, "[passwords]", *lines, ""])


def _quote(text: str) -> str:
    """Return a TOML text: what JSON writes, except for DEL, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
