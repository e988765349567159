"""A lab without internet says so: in each new terminal, and when apt is asked for packages.

Otherwise apt reports a name that cannot be resolved or a package that cannot be located, and nobody
learns that packages are unavailable here. The programs continue all the same: a package may be in
the trainee's own folder.

    python -m vmlab_guest.offline     what apt runs (`man apt.conf`, Pre-Invoke; apt's README on
                                      json-hooks-protocol)
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from pathlib import Path

from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.notices import Notice
from vmlab_protocol.outside import load_json

_APT_CONF = "/etc/apt/apt.conf.d/50vmlab-offline"
_PROFILE = "/etc/profile.d/vmlab-offline.sh"
_PIP_CONF = "/etc/pip.conf"
_MAX_BYTES = 1024 * 1024

_APT = Notice(
    "This lab has no internet access: apt cannot download anything. If you need a package, ask a "
    "facilitator: it can be put into the lab's image.",
    "Ce lab n'a pas accès à internet : apt ne peut rien télécharger. S'il vous faut un paquet, "
    "demandez à un encadrant : il peut être ajouté à l'image du lab.",
)
_TERMINAL = Notice(
    "This lab has no internet access: apt, pip, git and curl can reach nothing outside. "
    "Ask a facilitator.",
    "Ce lab n'a pas accès à internet : apt, pip, git et curl ne peuvent rien atteindre à "
    "l'extérieur. Demandez à un encadrant.",
)

_MARK = "# Written by the VMLab agent: this lab has no internet.\n"

_PIP_TEXT = f"{_MARK}[global]\nretries = 0\ntimeout = 5\n"

_PROFILE_TEXT = f"""\
{_MARK}if [ -t 1 ] && [ ! -e /run/vmlab/notices-seen/offline ]; then
    case $(cat /run/vmlab/language 2>/dev/null) in
        fr) printf '\\n%s\\n\\n' "{_TERMINAL.fr}" ;;
        *) printf '\\n%s\\n\\n' "{_TERMINAL.en}" ;;
    esac
    : 2>/dev/null > /run/vmlab/notices-seen/offline || true
fi
"""


def apply_offline(system: System, *, is_offline: bool) -> None:
    """Have the machine's programs say that there is no internet, or no longer say it.

    Raises:
        OSError: the file system refused.
    """
    tell = f"{sys.executable} -I -m vmlab_guest.offline || true"
    apt = (
        f"{_MARK}"
        'Acquire::Retries "0";\n'
        f'APT::Update::Pre-Invoke {{ "{tell}"; }};\n'
        f'AptCli::Hooks::Install {{ "{tell}"; }};\n'
    )
    for path, text in ((_APT_CONF, apt), (_PROFILE, _PROFILE_TEXT), (_PIP_CONF, _PIP_TEXT)):
        place = inside(system, path)
        if is_offline and (not place.exists() or _is_ours(place)):
            ensure_file(place, text)
        elif not is_offline and _is_ours(place):
            place.unlink()


def _is_ours(place: Path) -> bool:
    try:
        return place.read_text(encoding="utf-8").startswith(_MARK)
    except (OSError, UnicodeDecodeError):
        return False


def answer_apt(channel: io.RawIOBase) -> bool:
    """Speak apt's protocol of hooks; return whether it says that an installation fails.

    Raises:
        ValueError, KeyError, TypeError: this is another protocol.
    """
    hello = _read(channel)
    answer = {"jsonrpc": "2.0", "id": hello["id"], "result": {"version": "0.1"}}
    channel.write(json.dumps(answer).encode() + b"\n\n")
    return str(_read(channel)["method"]).endswith(".install.fail")


def _read(channel: io.RawIOBase) -> dict[str, object]:
    line = channel.readline(_MAX_BYTES)
    channel.readline(_MAX_BYTES)  # each message ends with an empty line
    message = load_json(line)
    if not isinstance(message, dict):
        raise TypeError(f"apt said {line[:40]!r}")
    return message


def main() -> int:
    """Say it, unless apt only tells how an installation goes on that does not fail."""
    number = os.environ.get("APT_HOOK_SOCKET")
    if number:
        with socket.socket(fileno=int(number)) as apt, apt.makefile("rwb", buffering=0) as channel:
            if not answer_apt(channel):
                return 0
    root = Path(os.environ.get("VMLAB_ROOT") or "/")  # elsewhere for tests
    try:
        language = (root / RUN / "language").read_text(encoding="utf-8").strip()
    except OSError:
        language = "en"
    sys.stderr.write(f"\n{_APT.fr if language == 'fr' else _APT.en}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
