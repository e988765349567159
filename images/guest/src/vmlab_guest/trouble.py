"""A server that ends before it is ready: what is known of it, and what the trainee is told.

    /run/vmlab/zygote/trouble.json   0644  how often it ended in a row, and what it said last

Settings of the trainee's own are the usual reason. So after `PLAIN_AFTER_ENDS` ends it is started
without them (`make_plain`): they can be corrected in a running lab, but not on a page that waits
for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vmlab_guest.server_request import FOLDER, RUNTIME, ServerRequest
from vmlab_protocol.messages import MAX_TROUBLE_CHARS, ServerTrouble
from vmlab_protocol.notices import Notice
from vmlab_protocol.outside import load_json

TROUBLE = FOLDER / "trouble.json"
_SHOWN_FILES = 5
_MAX_BYTES = 64 * 1024
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Of Jupyter's log, without the time; and the last line of a traceback.
_JUPYTER = re.compile(r"\[[CE] [^\]]{0,60}\] (?P<words>.*\S.*)")
_ERROR = re.compile(r"[A-Za-z_][\w.]{0,80}(Error|Exception|Exit)\b.*")
ENDED_WITH = "the server ended with"
"""Begin of the zygote's own line about it."""


def write_trouble(trouble: ServerTrouble) -> bytes:
    """Return the file's content."""
    return json.dumps(asdict(trouble)).encode()


def read_trouble(path: Path) -> ServerTrouble | None:
    """Return what the zygote noted, or None while all is well; nonsense is nothing."""
    try:
        with path.open("rb") as stream:
            table = load_json(stream.read(_MAX_BYTES))
        ends, is_plain, line = table["ends"], table["is_plain"], table["line"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if type(ends) is not int or type(is_plain) is not bool or not isinstance(line, str):
        return None
    return ServerTrouble(max(0, ends), is_plain, _clean(line))


def pick_line(text: str) -> str:
    """Return the line of a server's log that says why it ended; empty when there is none."""
    last = chosen = ""
    for raw in text.splitlines():
        line = _ESCAPE.sub("", raw).strip()
        if not line or line.startswith(ENDED_WITH):
            continue
        last = line
        if found := _JUPYTER.match(line):
            chosen = found["words"]
        elif _ERROR.match(line):
            chosen = line
    return _clean(chosen or last)


def _clean(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)[:MAX_TROUBLE_CHARS].strip()


def make_plain(request: ServerRequest) -> ServerRequest:
    """Return the same server without anything of the trainee's own that could keep it from serving.

    Nothing is read from the home, and nothing has to be written there.
    """
    folder = RUNTIME / "plain"
    env = {
        "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
        "JUPYTER_CONFIG_DIR": f"{folder}/config",
        "JUPYTER_DATA_DIR": f"{folder}/data",
    }
    # Chosen when JupyterLab was imported, which was long ago.
    own = {"--LabApp.user_settings_dir": "settings", "--LabApp.workspaces_dir": "ws"}
    others = [arg for arg in request.args if arg.partition("=")[0] not in own]  # each only once
    args = (*others, *(f"{option}={folder}/{name}" for option, name in own.items()))
    return ServerRequest({**request.env, **env}, args)


def list_settings(home: Path) -> list[Path]:
    """Return the trainee's own files that change what a server is made of."""
    found = []
    for folder in (home / ".jupyter", home / ".local/etc/jupyter"):
        for depth in ("*", "*/*"):
            try:
                paths = sorted(folder.glob(depth))
                found += [path for path in paths if _is_setting(path)]
            except OSError:
                continue  # it may be unreadable even for root, on a damaged disk
    return found


def _is_setting(path: Path) -> bool:
    is_config = "config" in path.name or "config" in path.parent.name
    return is_config and path.suffix in {".py", ".json"} and path.is_file()


def make_plain_notice(line: str, names: Sequence[str]) -> Notice:
    """Return what a trainee is told in a lab that was started without their settings. Pure."""
    said = f"\n  {line}" if line else ""
    files = "".join(f"\n  {name}" for name in names[:_SHOWN_FILES])
    where_en = f"\nYour settings are in:{files}" if files else ""
    where_fr = f"\nVos réglages se trouvent dans :{files}" if files else ""
    return Notice(
        en="JupyterLab could not start with your own settings, so it was started without them. "
        f"It said:{said}{where_en}\nCorrect or delete what is wrong there, then switch your "
        "machine off and start it again.",
        fr="JupyterLab n'a pas pu démarrer avec vos propres réglages ; il a démarré sans eux. "
        f"Son message :{said}{where_fr}\nCorrigez ou supprimez ce qui ne va pas, puis éteignez "
        "votre machine et redémarrez-la.",
    )


HOME_OPENED = Notice(
    en="Your home folder could not be opened: it belonged to somebody else, or its permissions "
    "had been taken away. It was given back to you, because JupyterLab could not have started "
    "otherwise. What is in it was not changed.",
    fr="Votre dossier personnel n'était plus accessible : il appartenait à quelqu'un d'autre, ou "
    "ses droits d'accès avaient été retirés. Il vous a été rendu, sans quoi JupyterLab n'aurait "
    "pas pu démarrer. Son contenu n'a pas été modifié.",
)
