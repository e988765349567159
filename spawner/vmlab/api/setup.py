"""Adding handlers, pages and the custom scope to a hub's configuration."""

from __future__ import annotations

from typing import Any

from vmlab.api.base import COURSES_SCOPE
from vmlab.api.board import BoardHandler
from vmlab.api.courses import ArchiveHandler, CoursesHandler, PublishHandler, ReceiptsHandler
from vmlab.api.data_page import DataPage
from vmlab.api.hello import HelloHandler, HelloSocket
from vmlab.api.idle import IdleHandler
from vmlab.api.logo import LogoHandler
from vmlab.api.own_data import (
    OwnDiskHandler,
    OwnRestoreHandler,
    OwnSnapshotHandler,
    OwnSnapshotsHandler,
)
from vmlab.api.renewal import RenewHandler
from vmlab.api.reports import ProgressHandler, ReceiptHandler
from vmlab.api.roster import RosterHandler, WorkHandler
from vmlab.api.runtime import ApiSettings
from vmlab.api.volume import OpenSnapshotHandler, SnapshotsHandler
from vmlab.face import Face, load_logo
from vmlab.hub_client import NOWHERE, KeeperAccess
from vmlab.pages import setup_pages
from vmlab.providers import ProviderSettings

_NAME = "([a-z][a-z0-9-]{0,39})"
_SNAPSHOT = "([a-z]+-[0-9TZ]+)"
_VERSION = "([1-9][0-9]{0,8})"


def setup_api(
    c: Any,
    settings: ProviderSettings,
    *,
    language: str = "en",
    face: Face = Face(),  # noqa: B008 - frozen
    database: str = "",
    hub: KeeperAccess = NOWHERE,
) -> None:
    """Add VMLab's handlers, pages and scope to the configuration of a hub.

    Call it after everything else that sets the same lists and dictionaries: it adds to them.

    Args:
        c: the configuration object of `jupyterhub_config.py`.
        settings: the provider of the hub's spawners; its folders are those of database and courses.
        language: "en" or "fr": what a browser without a choice of its own gets.
        face: how the lab presents itself.
        hub: where the hub's own API is, for what starts and stops servers; without it that fails.
        database: URL of VMLab's database; the SQLite file in the state folder when left out.
    """
    lab = ApiSettings(settings, language, database, hub)
    api = r"/api/vmlab"
    handlers = (
        (rf"{api}/courses", CoursesHandler),
        (rf"{api}/courses/{_NAME}/receipts", ReceiptsHandler),
        (rf"{api}/courses/{_NAME}/{_VERSION}", ArchiveHandler),
        (rf"{api}/courses/{_NAME}", PublishHandler),
        (rf"{api}/receipts", ReceiptHandler),
        (rf"{api}/progress", ProgressHandler),
        (rf"{api}/board", BoardHandler),
        (rf"{api}/people", RosterHandler),
        (rf"{api}/people/work", WorkHandler),
        (rf"{api}/idle", IdleHandler),
        (rf"{api}/machines/([^/]+)/renew", RenewHandler),
        (r"/vmlab/hello", HelloHandler),
        (r"/vmlab/hello/socket", HelloSocket),
        (r"/vmlab/data", DataPage),
        (r"/vmlab/data/disk", OwnDiskHandler),
        (rf"{api}/data/snapshots", OwnSnapshotsHandler),
        (rf"{api}/data/snapshots/{_SNAPSHOT}", OwnSnapshotHandler),
        (rf"{api}/data/snapshots/{_SNAPSHOT}/restore", OwnRestoreHandler),
        (rf"{api}/volume/snapshots", SnapshotsHandler),
        (rf"{api}/volume/snapshots/{_SNAPSHOT}/open", OpenSnapshotHandler),
    )
    c.JupyterHub.extra_handlers.extend((path, handler, {"lab": lab}) for path, handler in handlers)
    c.JupyterHub.custom_scopes.update(
        {COURSES_SCOPE: {"description": "Publish courses and see who has which version"}}
    )
    if face.logo:
        c.JupyterHub.extra_handlers.append((r"/logo", LogoHandler, {"logo": load_logo(face.logo)}))
    setup_pages(c, language=language, face=face)
