"""A machine's part of the file server, from its seed until it powers off."""

from __future__ import annotations

import json

from vmlab_guest.files import ensure_file
from vmlab_guest.shares import places
from vmlab_guest.shares.home import leave_home
from vmlab_guest.shares.null_call import Ask, answers
from vmlab_guest.shares.watch import ShareWatch
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.outside import load_json
from vmlab_protocol.share import NFS_PORT, Share, parse_share, share_json

_KEPT = f"/{RUN}/share.json"
_CALL_S = 2.0


class Follower:
    """Has the share looked after that the last seed named.

    Args:
        ask: whether the server at this address and port answers within so many seconds.
    """

    def __init__(self, system: System, ask: Ask = answers) -> None:
        self._system = system
        self._ask = ask
        self._watch: ShareWatch | None = None

    def follow(self, share: Share | None) -> None:
        """Have this share from now on, or none; returns within some seconds.

        Raises:
            OSError: the file system refused.
        """
        kept, before = self._read_kept(), self._watch
        self._stop()
        if kept and kept != share:
            self._unmount(kept)
        if share is None:
            inside(self._system, _KEPT).unlink(missing_ok=True)
            places.hide(self._system)
            return
        ensure_file(inside(self._system, _KEPT), json.dumps(share_json(share)))
        self._watch = ShareWatch(self._system, share, self._ask, before).start()

    def recover(self) -> None:
        """Take up what an agent that ended before this one looked after."""
        if share := self._read_kept():
            self.follow(share)

    def leave(self) -> None:
        """Leave everything, in any case and within some seconds: the machine powers off."""
        self._stop()
        if share := self._read_kept():
            is_there = self._unmount(share)
            leave_home(self._system, answers=is_there)

    def _stop(self) -> None:
        if self._watch:
            self._watch.stop()
            self._watch = None

    def _unmount(self, share: Share) -> bool:
        """Unmount the folders of this share; return whether its server answers."""
        is_there = self._ask(str(share.server), NFS_PORT, _CALL_S)
        places.unmount_all(self._system, answers=is_there)
        return is_there

    def _read_kept(self) -> Share | None:
        try:
            return parse_share(load_json(inside(self._system, _KEPT).read_bytes()))
        except (OSError, ValueError):
            return None  # there is none; or the trainee, who is root here, has changed it
