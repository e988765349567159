"""The trainee's language in the machine: one file, read by all that speaks to the trainee.

    /run/vmlab/language   0644  "en" or "fr"

It comes with the seed, and the host says when the trainee has chosen another one. Nothing is
restarted for that: `lab` and the widgets read the file at each answer, JupyterLab at each load of
its page, kernels and terminals when they begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.messages import GuestMessageType
from vmlab_protocol.notices import Language

PROFILE_SCRIPT = """\
# Written by the VMLab agent: programs in a terminal speak the trainee's language.
case "$(cat /run/vmlab/language 2>/dev/null)" in
    fr) export LANGUAGE=fr ;;
    en) export LANGUAGE=en ;;
esac
"""
_FILE = "language"


def apply_language(system: System, language: Language) -> None:
    """Write the language where everything finds it.

    Raises:
        OSError: the file system refused.
    """
    ensure_file(system.root / RUN / _FILE, f"{language}\n")
    ensure_file(inside(system, "/etc/profile.d/vmlab-language.sh"), PROFILE_SCRIPT)


def change_language(system: System, message: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the host's message says and return the answer.

    Raises:
        ApplyError: that is not a language of ours.
        OSError: the file system refused.
    """
    said = message.get("language")
    if not isinstance(said, str) or said not in set(Language):
        raise ApplyError(f"language: 'en' or 'fr', got {repr(said)[:40]}")
    apply_language(system, Language(said))
    return {"type": GuestMessageType.SPEAKS}


def read_language(run: Path) -> Language:
    """Return the language that the file says; English where there is none."""
    try:
        return Language((run / _FILE).read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return Language.EN
