"""Adding handlers, pages and the custom scope to a hub's configuration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from vmlab.groups.rules import GroupRules
from vmlab.hub.access import NOWHERE, HubAccess
from vmlab.lab.branding import Branding, load_logo
from vmlab.people.account_language import account_language
from vmlab.providers.settings import ProviderSettings
from vmlab.web.api.base import COURSES_SCOPE
from vmlab.web.api.board import BoardHandler
from vmlab.web.api.courses import ArchiveHandler, CourseHandler, CoursesHandler, ReceiptsHandler
from vmlab.web.api.data_page import DataPage
from vmlab.web.api.guide_page import GuidePage
from vmlab.web.api.hello import HelloHandler, HelloSocket
from vmlab.web.api.idle import IdleHandler
from vmlab.web.api.language import LanguageHandler
from vmlab.web.api.logo import LogoHandler
from vmlab.web.api.machines import (
    ConsoleHandler,
    MachinesHandler,
    RenewOneHandler,
    RestartHandler,
)
from vmlab.web.api.own_courses import OwnCoursesHandler
from vmlab.web.api.own_data import (
    OwnDiskHandler,
    OwnRestoreHandler,
    OwnSnapshotHandler,
    OwnSnapshotsHandler,
)
from vmlab.web.api.renewal import RenewHandler
from vmlab.web.api.reports import ProgressHandler, ReceiptHandler
from vmlab.web.api.roster import RosterHandler, WorkHandler
from vmlab.web.api.runtime import ApiSettings
from vmlab.web.api.ssh_keys import SshKeyHandler, SshKeysHandler
from vmlab.web.api.ssh_page import PROGRAM, SshAddress, SshPage, SshProgram
from vmlab.web.api.ssh_socket import SshSocket
from vmlab.web.api.volume import OpenSnapshotHandler, SnapshotsHandler
from vmlab.web.pages import setup_pages

_NAME = "([a-z][a-z0-9-]{0,39})"
_SNAPSHOT = "([a-z]+-[0-9TZ]+)"
_KEY_ID = "([A-Za-z0-9_-]{43})"
_VERSION = "([1-9][0-9]{0,8})"


def setup_api(  # noqa: PLR0913 - all but two by their names
    c: Any,
    settings: ProviderSettings,
    *,
    language: str = "en",
    branding: Branding = Branding(),  # noqa: B008 - frozen
    database: str = "",
    hub: HubAccess = NOWHERE,
    guide: Path = Path("docs/trainee.md"),
    groups: GroupRules = GroupRules(),  # noqa: B008 - frozen
    ssh: SshAddress | None = None,
) -> None:
    """Add VMLab's handlers, pages and scope to the configuration of a hub.

    Call it after everything else that sets the same lists and dictionaries: it adds to them.

    Args:
        c: the configuration object of `jupyterhub_config.py`.
        settings: the provider of the hub's spawners; its folders are those of database and courses.
        language: "en" or "fr": what accounts and browsers without a choice of their own get.
        branding: how the lab presents itself.
        hub: where the hub's own API is, for what starts and stops servers; without it that fails.
        database: URL of VMLab's database; the SQLite file in the state folder when left out.
        guide: the document that the page Guide shows.
        groups: what machines a trainee has.
        ssh: where the jump host for SSH is; None: the lab has none.
    """
    lab = ApiSettings(settings, language, database, hub, groups)
    api = r"/api/vmlab"
    handlers = (
        (rf"{api}/courses", CoursesHandler),
        (rf"{api}/courses/{_NAME}/receipts", ReceiptsHandler),
        (rf"{api}/courses/{_NAME}/{_VERSION}", ArchiveHandler),
        (rf"{api}/courses/{_NAME}", CourseHandler),
        (rf"{api}/own/courses", OwnCoursesHandler),
        (rf"{api}/receipts", ReceiptHandler),
        (rf"{api}/progress", ProgressHandler),
        (rf"{api}/board", BoardHandler),
        (rf"{api}/people", RosterHandler),
        (rf"{api}/people/work", WorkHandler),
        (rf"{api}/idle", IdleHandler),
        (rf"{api}/language", LanguageHandler),
        (rf"{api}/machines/([^/]+)", MachinesHandler),
        (rf"{api}/machines/([^/]+)/renew", RenewHandler),
        (rf"{api}/machines/([^/]+)/{_NAME}/console", ConsoleHandler),
        (rf"{api}/machines/([^/]+)/{_NAME}/restart", RestartHandler),
        (rf"{api}/machines/([^/]+)/{_NAME}/renew", RenewOneHandler),
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
    c.JupyterHub.extra_handlers.append((r"/vmlab/guide", GuidePage, {"guide": guide}))
    if ssh:
        c.JupyterHub.extra_handlers.extend(
            [
                (r"/ssh", SshSocket, {"lab": lab}),
                (r"/vmlab/ssh", SshPage, {"lab": lab, "address": ssh}),
                (rf"/vmlab/ssh/{PROGRAM}", SshProgram),
                (rf"{api}/ssh/keys", SshKeysHandler, {"lab": lab}),
                (rf"{api}/ssh/keys/{_KEY_ID}", SshKeyHandler, {"lab": lab}),
            ]
        )
    c.JupyterHub.custom_scopes.update(
        {COURSES_SCOPE: {"description": "Publish courses and see who has which version"}}
    )
    if branding.logo:
        c.JupyterHub.extra_handlers.append(
            (r"/logo", LogoHandler, {"logo": load_logo(branding.logo)})
        )
    chosen = partial(account_language, database or lab.paths.database)
    setup_pages(
        c, language=language, chosen=chosen, branding=branding, groups=groups, has_ssh=bool(ssh)
    )
