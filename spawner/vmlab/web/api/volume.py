"""`volume/snapshots`: what a machine may ask of its own volume, with its server's token."""

from __future__ import annotations

from jupyterhub import orm
from tornado import web

from vmlab.errors import LabError
from vmlab.groups.sharing import has_home_on_server
from vmlab.hub.kept_state import kept_volume
from vmlab.volumes.store import VolumeStore
from vmlab.web.api.base import MachineHandler
from vmlab.web.api.refusals import volume_refusal
from vmlab.web.api.runtime import find_volumes
from vmlab_protocol.snapshots import dump_snapshots


class VolumeHandler(MachineHandler):
    """A handler for the volume of the server that calls."""

    @property
    def store(self) -> VolumeStore:
        """The volumes of this lab."""
        return find_volumes(self.lab_settings)

    def own_volume(self) -> str:
        """Return the name of the calling server's volume; it follows from the token alone."""
        server = self.server_identity()
        user = orm.User.find(self.db, server.user)
        return kept_volume(user, server.user, server.server)

    def answer_to(self, error: LabError) -> web.HTTPError:
        """Return the answer to what the store refused; the log has the details."""
        self.log.warning("a snapshot is not shown: %s", error)
        return volume_refusal(error)


class SnapshotsHandler(VolumeHandler):
    """The snapshots there are."""

    async def get(self) -> None:
        """Answer them, oldest first; 404 where the home is not on a volume of its own."""
        server = self.server_identity()
        if not server.server and has_home_on_server(self.lab_settings.groups, server.user):
            raise web.HTTPError(
                404,
                "this home is on the file server, whose earlier states are its operator's to open",
            )
        try:
            found = await self.store.snapshots(self.own_volume())
        except LabError as error:
            raise self.answer_to(error) from error
        self.write(dump_snapshots((each.id, each.taken) for each in found))


class OpenSnapshotHandler(VolumeHandler):
    """One snapshot, shown in the machine."""

    async def post(self, snapshot: str) -> None:
        """Show it, and answer when it is mounted, which takes the time of a copy."""
        self.count_report(self.server_identity())
        try:
            await self.store.show_snapshot(self.own_volume(), snapshot)
        except LabError as error:
            raise self.answer_to(error) from error
        self.write({})
