"""Starting the requested server: whether it becomes ready, and what to try if it does not.

Of the zygote, which starts the server again after growing pauses.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import write_file
from vmlab_guest.notices import add_notice
from vmlab_guest.server import UNIT
from vmlab_guest.server_request import ServerRequest, serves
from vmlab_guest.shares.home import is_home_remote
from vmlab_guest.space import show_path
from vmlab_guest.system import LinuxSystem
from vmlab_guest.trainee import open_home
from vmlab_guest.trouble import (
    HOME_OPENED,
    list_settings,
    make_plain,
    make_plain_notice,
    pick_line,
    write_trouble,
)
from vmlab_protocol.machine import HOME, PLAIN_AFTER_ENDS
from vmlab_protocol.messages import ServerTrouble
from vmlab_protocol.notices import Notice

_RESTART_FIRST_S, _RESTART_MAX_S = 2.0, 60.0
_LAST_LINES = 100
_JOURNAL_S = 10.0


class Attempts:
    """The attempts to have one requested server serve.

    Args:
        note: where the host's side of the machine finds the trouble, if there is any.
        runtime: the server's runtime folder.
    """

    def __init__(self, note: Path, runtime: Path) -> None:
        self._note_path = note
        self._runtime = runtime
        self._trouble: ServerTrouble | None = None
        self.serves = False

    def begin(self, request: ServerRequest, *, is_new: bool) -> ServerRequest:
        """Note that a server is about to be started; return it as it is to be started.

        Args:
            is_new: it is another one than the last; the trainee's settings have their chance again.
        """
        if is_new:
            self._note(None)
        self.serves = False
        open_the_home()
        return make_plain(request) if self._trouble and self._trouble.is_plain else request

    def look(self) -> None:
        """Check whether it is ready by now."""
        if not self.serves and serves(self._runtime):
            self.serves = True
            if self._trouble and not self._trouble.is_plain:
                self._note(None)

    def end(self, code: int) -> float | None:
        """Note that it ended; return after how many seconds to start it again.

        None: it was ready and ended by itself, as the trainee wanted.
        """
        if self.serves:
            return None if code == 0 else _RESTART_FIRST_S
        before = self._trouble
        ends = before.ends + 1 if before else 1
        was_plain = before is not None and before.is_plain
        trouble = ServerTrouble(ends, was_plain or ends >= PLAIN_AFTER_ENDS, read_last_words())
        if trouble.is_plain and not was_plain:
            tell_trainee(make_plain_notice(trouble.line, name_settings()))
        self._note(trouble)
        return min(_RESTART_FIRST_S * 2.0 ** min(ends - 1, 10), _RESTART_MAX_S)

    def _note(self, trouble: ServerTrouble | None) -> None:
        self._trouble = trouble
        if trouble is None:
            self._note_path.unlink(missing_ok=True)
        else:
            write_file(self._note_path, write_trouble(trouble), 0o644)


def read_last_words() -> str:
    """Return what the server said before it ended; empty when the journal does not tell."""
    # Of all journals: a clone's is in a folder of another machine-id until journald is restarted.
    command = ("journalctl", "--merge", "--no-pager", "--output=cat", f"--lines={_LAST_LINES}")
    try:
        return pick_line(LinuxSystem().run(*command, f"_SYSTEMD_UNIT={UNIT}", timeout_s=_JOURNAL_S))
    except ApplyError as error:
        _say(f"why the server ended is unknown: {error}")
        return ""


def name_settings() -> list[str]:
    """Return the trainee's files that change the server, as they are called for people."""
    home = Path(HOME)
    return [show_path(str(path.relative_to(home))) for path in list_settings(home)]


def open_the_home() -> None:
    """See `trainee.open_home`; whatever comes of it, the server is started."""
    if is_home_remote(Path("/")):
        return  # mounting it has opened it; its owner is another one on purpose
    try:
        if open_home():
            tell_trainee(HOME_OPENED)
    except OSError as error:
        _say(f"{HOME} cannot be opened for its trainee: {error}")


def tell_trainee(notice: Notice) -> None:
    """Have it read in terminals and JupyterLab; a start does not depend on it."""
    try:
        add_notice(LinuxSystem(), notice)
    except OSError as error:
        _say(f"a notice cannot be written: {error}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
