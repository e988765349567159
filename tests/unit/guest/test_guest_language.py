"""The machine's language: what a host may say, who reads it, and what a shell makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.fake_system import FakeSystem
from lab import words
from narval.notebook import words as narval_words
from vmlab_guest.errors import ApplyError
from vmlab_guest.language import PROFILE_SCRIPT, apply_language, change_language, read_language
from vmlab_protocol.notices import Language


def test_all_that_speaks_follows_a_change_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("VMLAB_LANGUAGE", raising=False)
    system = FakeSystem(tmp_path)
    apply_language(system, Language.EN)
    assert (words.find_language(), narval_words.find_language()) == ("en", "en")
    assert change_language(system, {"type": "language", "language": "fr"}) == {"type": "speaks"}
    assert (words.find_language(), narval_words.find_language()) == ("fr", "fr")
    assert read_language(tmp_path / "run/vmlab") is Language.FR
    assert system.commands == [], "nothing is restarted"


@pytest.mark.parametrize("said", ["de", "", "FR", "fr\n", None, 1, ["fr"], {"fr": 1}])
def test_another_language_is_refused_and_the_one_of_before_stays(
    tmp_path: Path, said: object
) -> None:
    system = FakeSystem(tmp_path)
    apply_language(system, Language.FR)
    with pytest.raises(ApplyError, match="'en' or 'fr'"):
        change_language(system, {"language": said})
    assert read_language(tmp_path / "run/vmlab") is Language.FR


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"de\n"])
def test_a_file_that_says_nothing_is_english(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "language").write_bytes(content)
    assert read_language(tmp_path) is Language.EN


@pytest.mark.parametrize(
    ("content", "spoken"), [("fr\n", "fr"), ("en\n", "en"), ("$(reboot)\n", ""), ("", "")]
)
def test_programs_in_a_terminal_speak_it(tmp_path: Path, content: str, spoken: str) -> None:
    script = tmp_path / "vmlab-language.sh"
    file = tmp_path / "language"
    file.write_text(content)
    script.write_text(PROFILE_SCRIPT.replace("/run/vmlab/language", str(file)))
    command = f'. {script}; printf %s "$LANGUAGE"; LC_ALL= ls {tmp_path}/nothing 2>&1; true'
    shell = ["/bin/sh", "-c", command]
    env = {"PATH": "/bin:/usr/bin", "LANG": "C.UTF-8"}
    said = subprocess.run(shell, env=env, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{spoken}ls: "), said
