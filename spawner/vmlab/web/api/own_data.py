"""What trainees do with their own volume: keep a state, go back to one, take the disk home."""

from __future__ import annotations

import contextlib
import hmac
from typing import Any

from jupyterhub.handlers import BaseHandler
from tornado import web
from tornado.iostream import StreamClosedError

from vmlab.errors import LabError
from vmlab.hub.kept_state import kept_volume
from vmlab.volumes.model import ExportFormat
from vmlab.volumes.store import VolumeStore
from vmlab.web.api.base import OwnHandler
from vmlab.web.api.refusals import volume_refusal
from vmlab.web.api.runtime import ApiSettings, find_volumes, get_runtime
from vmlab.web.api.sending import GivesUp, send_file
from vmlab_protocol.snapshots import Reason

TAKE_HOME = (ExportFormat.VMDK, ExportFormat.VDI, ExportFormat.QCOW2)
"""What VMware, VirtualBox and KVM open; RAW would send every empty block."""


def own_volume(user: Any) -> str:
    """Return the name of a user's volume, which need not exist yet.

    Args:
        user: JupyterHub's user object.
    """
    return kept_volume(user, user.name)


class OwnDataHandler(OwnHandler):
    """A handler for the volume of the person who calls."""

    subject = "data"

    @property
    def store(self) -> VolumeStore:
        """The volumes of this lab."""
        return find_volumes(self.lab_settings)

    def answer_to(self, error: LabError) -> web.HTTPError:
        """Return the answer to what the store refused; the log has the details."""
        self.log.warning("data of %s: %s", self.current_user.name, error)
        return volume_refusal(error)


class OwnSnapshotsHandler(OwnDataHandler):
    """The states that a person keeps."""

    async def post(self) -> None:
        """Keep the present state; 201 with its name."""
        self.count_call()
        try:
            taken = await self.store.snapshot(own_volume(self.current_user), Reason.MANUAL)
        except LabError as error:
            raise self.answer_to(error) from error
        self.set_status(201)
        self.write({"id": taken.id, "taken": taken.taken})


class OwnSnapshotHandler(OwnDataHandler):
    """One state that a person asked for."""

    async def delete(self, snapshot: str) -> None:
        """Delete a state that was kept by hand; the others are deleted automatically."""
        self.count_call()
        if not snapshot.startswith(f"{Reason.MANUAL}-"):
            raise web.HTTPError(403, "only states that were kept by hand can be deleted")
        try:
            await self.store.delete_snapshot(own_volume(self.current_user), snapshot)
        except LabError as error:
            raise self.answer_to(error) from error
        self.set_status(204)


class OwnRestoreHandler(OwnDataHandler):
    """Going back to a state."""

    async def post(self, snapshot: str) -> None:
        """Make a state the volume's content, and keep what it replaces; 409 while it runs."""
        self.count_call()
        try:
            done = await self.store.restore(own_volume(self.current_user), snapshot)
        except LabError as error:
            raise self.answer_to(error) from error
        self.write({"restored": done.snapshot.id, "kept": done.kept.id})


class OwnDiskHandler(GivesUp, BaseHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """The volume as a disk image, for a browser to save."""

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab

    @web.authenticated
    async def get(self) -> None:
        """Send a copy of the volume as it is now; the machine may go on writing.

        A download cannot be resumed: the next copy is of another moment.
        """
        self._check_link()
        form = self._form()
        user = self.current_user
        with get_runtime(self.lab_settings).downloading(user.name):
            async with contextlib.AsyncExitStack() as stack:
                exported = find_volumes(self.lab_settings).exported(own_volume(user), form)
                try:
                    copy = await self.unless_gone(stack.enter_async_context(exported))
                except LabError as error:
                    self.log.warning("no disk image for %s: %s", user.name, error)
                    raise volume_refusal(error) from error
                if copy is None:
                    return
                path, _ = copy
                self.set_header("Content-Type", "application/octet-stream")
                self.set_header("Content-Disposition", f'attachment; filename="home.{form}"')
                self.set_header("Content-Length", str(path.stat().st_size))
                try:
                    await send_file(self, path)
                except StreamClosedError as error:
                    self.log.info("%s: the download of the disk was cut off: %r", user.name, error)

    def _check_link(self) -> None:
        """Check that a page of the hub made the link: JupyterHub accepts links from any page.

        Raises:
            HTTPError: 403.
        """
        given = self.get_query_argument("_xsrf", "").encode()
        if not hmac.compare_digest(given, self.xsrf_token):
            raise web.HTTPError(
                403,
                "This download must be started on the hub's page My data: open that page again.",
            )

    def _form(self) -> ExportFormat:
        wanted = self.get_query_argument("format", ExportFormat.VMDK)
        for form in TAKE_HOME:
            if wanted == form:
                return form
        raise web.HTTPError(400, f"format must be one of {', '.join(TAKE_HOME)}")
