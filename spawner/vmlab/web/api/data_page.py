"""`/hub/vmlab/data`: what a trainee has, its earlier states, and the ways back and home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyterhub.handlers import BaseHandler
from tornado import web

from vmlab.errors import LabError, VolumeNotFoundError
from vmlab.groups.sharing import has_home_on_server
from vmlab.volumes.model import Snapshot
from vmlab.web.api.own_data import own_volume
from vmlab.web.api.runtime import ApiSettings, find_volumes
from vmlab_protocol.snapshots import Reason

_REASONS: dict[Reason, tuple[str, str]] = {
    Reason.HOURLY: ("every hour", "toutes les heures"),
    Reason.MANUAL: ("asked for", "demandé"),
    Reason.KEPT: ("before something was restored", "avant une restauration"),
    Reason.BEFORE: ("for a copy", "pour une copie"),
}


@dataclass(frozen=True)
class State:
    """An earlier state of the home, for the page."""

    id: str
    at: str  # ISO 8601, UTC
    en: str  # why it was kept
    fr: str
    may_delete: bool  # it stays until a person deletes it


class DataPage(BaseHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """The page of whoever is logged in, about their own volume only."""

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab

    @web.authenticated
    async def get(self) -> None:
        """Show it; without a volume it says that there is none yet."""
        user = self.current_user
        store = find_volumes(self.lab_settings)
        name = own_volume(user)
        page: dict[str, Any] = {"volume": None, "states": (), "trouble": False, "is_tight": False}
        page["on_server"] = has_home_on_server(self.lab_settings.groups, user.name)
        try:
            page["volume"] = volume = await store.find(name)
            page["states"] = make_states(await store.snapshots(name))
            page["is_tight"] = (await store.use(volume)).is_tight
        except VolumeNotFoundError:
            pass  # of a trainee who never started
        except LabError as error:
            self.log.warning("the data page of %s: %s", user.name, error)
            page["trouble"] = True
        self.finish(await self.render_template("vmlab_data.html", user=user, **page))


def make_states(snapshots: list[Snapshot]) -> tuple[State, ...]:
    """Return what is shown of the snapshots, the newest first. Pure."""
    found = sorted(snapshots, key=lambda snapshot: snapshot.taken, reverse=True)
    return tuple(
        State(
            each.id,
            datetime.fromtimestamp(each.taken, UTC).isoformat(),
            *_REASONS[each.reason],
            may_delete=each.reason is Reason.MANUAL,
        )
        for each in found
    )
