"""The hooks of git are the checks of scripts/check, and fetch nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from pre_commit.clientlib import load_config

ROOT = Path(__file__).resolve().parents[3]


def hooks() -> list[dict]:
    (repo,) = load_config(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    return repo["hooks"]


def test_no_hook_fetches_anything():
    for hook in hooks():
        assert hook["language"] in {"system", "unsupported"}, hook["id"]  # one name for both
        assert hook["additional_dependencies"] == []


def test_hooks_run_checks_that_exist():
    words = [shlex.split(hook["entry"]) for hook in hooks()]
    assert {word for word, *_ in words} == {"scripts/check"}
    assert ["scripts/check"] in words, "one runs them all"
    script = (ROOT / "scripts/check").read_text()
    for name in {name for _, *names in words for name in names}:
        assert f'check "{name}"' in script


def test_a_commit_is_looked_at(tmp_path):
    """In a repository with nothing but the hook, the check and what it looks at."""
    for name in (".pre-commit-config.yaml", "pyproject.toml", "scripts/check"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    (tmp_path / ".gitignore").write_text(".venv\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        settings = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / ".git/hooks-cache")}
        settings = {k: v for k, v in settings.items() if not k.startswith("GIT_")}
        return subprocess.run(
            words, cwd=tmp_path, check=False, capture_output=True, text=True, env=settings
        )

    run("git", "init", "--quiet")
    for content, result in (("import os\n", 1), ('"""Nothing."""\n', 0)):
        (tmp_path / "scripts/tool.py").write_text(content)
        run("git", "add", "--all")
        done = run(sys.executable, "-m", "pre_commit", "run", "ruff")
        assert done.returncode == result, done.stdout + done.stderr
        assert ("F401" in done.stdout) == bool(result)


def test_an_unknown_check_is_an_error_that_names_the_known_ones():
    asked = subprocess.run(
        [ROOT / "scripts/check", "nonsense"], check=False, capture_output=True, text=True
    )
    assert asked.returncode == 2
    assert 'no check "nonsense"' in asked.stderr
    assert '"ruff format"' in asked.stderr
