"""The agent's first word comes early in a boot: what costs time to import is imported later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hub.running_hub import PROJECT


@pytest.mark.parametrize("late", ["http.client", "ssl", "tempfile", "subprocess", "hashlib"])
def test_what_is_slow_to_import_is_not_imported_before_the_first_word(late):
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'images/guest/src')!r}); "
        "import vmlab_guest.__main__; print('\\n'.join(sys.modules))"
    )
    words = [sys.executable, "-I", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "vmlab_guest.agent" in done.stdout, done.stderr
    assert late not in done.stdout.split()
