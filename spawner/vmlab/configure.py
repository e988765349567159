"""JupyterHub's configuration, made from a lab: what jupyterhub_config.py calls.

Every setting is here with its reason. The machines themselves are `vmlab.spawning.spawner`'s,
login is `vmlab.people.authenticator`'s, pages and API are `vmlab.web.api`'s.
"""

from __future__ import annotations

import logging
import resource
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vmlab.errors import HostError
from vmlab.groups.rules import group_rules
from vmlab.hub.access import (
    KEEPER_SERVICE,
    HubAccess,
    ensure_cli_access,
    note_cli_url,
)
from vmlab.hub.client import HubClient
from vmlab.hub.database import make_db_settings
from vmlab.hub.descriptors import descriptors_for
from vmlab.hub.log_file import keep_log
from vmlab.hub.log_lines import bounded_logging
from vmlab.hub.loop_watch import watch_if_asked
from vmlab.hub.proxy import forget_dead_proxy, set_proxy
from vmlab.hub.server_versions import check_any_version
from vmlab.lab.lab import Lab
from vmlab.lab.origins import bracketed, machine_host
from vmlab.network.limits import limit_servers, raise_descriptor_limit
from vmlab.paths import Paths
from vmlab.people.accounts import ensure_passwords
from vmlab.people.roles import CLI_SERVICE, make_roles
from vmlab.providers import make_provider
from vmlab.providers.abilities import LeadsToHub, machines_ahead
from vmlab.providers.base import Provider
from vmlab.providers.settings import ProviderSettings, provider_settings
from vmlab.spawning.slots import make_slots
from vmlab.spawning.starter import StartLimits
from vmlab.ssh.limits import HUB_DESCRIPTORS
from vmlab.ssh.setup import offers_ssh, set_up_ssh
from vmlab.system.background import is_hub
from vmlab.system.host import find_free_port
from vmlab.upkeep.housekeeping import start_housekeeping

_log = logging.getLogger(__name__)

QUEUE_TIMEOUT_S: Final = 3600
"""Longest wait for a start slot."""

MACHINE_TIMEOUT_S: Final = 1800
"""A cold boot costs 50 s of a processor under software emulation, and processors may be busy."""

HTTP_TIMEOUT_S: Final = 60
"""A start ends when the server has answered; this is for the hub's readiness probe afterwards, and
for those that run when the hub starts. Until then nobody can stop a server that is silent."""


def prepare_state(lab: Lab, paths: Paths) -> dict[str, str]:
    """Make folders, passwords and secrets that are not there yet; return the passwords.

    Raises:
        HostError: something cannot be written.
        ConfigError: the file of passwords was edited and has mistakes.
    """
    try:
        for folder in (paths.state, paths.cache):
            folder.mkdir(parents=True, exist_ok=True)
        # The machines' users must be able to enter their folders, but nobody may list them.
        paths.state.chmod(0o711)
        # SQLite gives its journals the mode of the database.
        paths.hub_database.touch(mode=0o600)
        ensure_cli_access(paths)
        forget_dead_proxy(paths.state / "proxy.pid")
    except OSError as e:
        raise HostError(
            f"the state folder {paths.state} cannot be prepared: {e}",
            hint="check free space and who owns the folder, or set VMLAB_STATE to another folder",
        ) from e
    return ensure_passwords(paths.accounts, lab.accounts.names())


def configure(c: Any, lab: Lab, paths: Paths, *, project: Path | None = None) -> None:
    """Set everything in JupyterHub's configuration object.

    Args:
        project: the folder that holds node_modules and docs; the current one when left out.

    Raises:
        HostError: Node.js or configurable-http-proxy is missing, or the state cannot be prepared.
        ConfigError: as `prepare_state`.
    """
    # The command line uses this module too, and needs none of them.
    from vmlab.hub.accounts import settle_accounts  # noqa: PLC0415
    from vmlab.hub.tokens import limit_tokens  # noqa: PLC0415
    from vmlab.upkeep.jobs import order_rules, start_reconciling  # noqa: PLC0415
    from vmlab.web.api import SshAddress, setup_api  # noqa: PLC0415

    watch_if_asked(paths.state)
    limit_servers()
    raise_descriptor_limit()
    limit_tokens()
    check_any_version()
    keep_log(paths.hub_log)
    start_housekeeping(make_slots(lab.provider.start_slots), paths.state, paths.hub_database)
    prepare_state(lab, paths)
    settings = provider_settings(lab, paths)
    provider = make_provider(settings)
    _check_descriptors(lab, provider)
    if is_hub():
        settle_accounts(paths.hub_database, lab.accounts)
    # Machines reach the hub through sockets that the spawner opens, so no port needs to be known.
    bind_url = f"http://127.0.0.1:{find_free_port(*lab.ports)}"
    access = HubAccess(bind_url, secrets.token_hex(24))
    note_cli_url(paths, bind_url)
    _set_hub(c, lab, paths, bind_url, access)
    _set_origins(c, lab)
    project = project or Path.cwd()
    set_proxy(
        c,
        lab,
        paths,
        project,
        has_listener=isinstance(provider, LeadsToHub),
        has_images=provider.features.images,
    )
    _set_accounts(c, lab, paths)
    _set_spawner(c, lab, paths, settings)
    address = SshAddress(lab.hub.url, lab.hub.name, lab.ssh.port)
    setup_api(
        c,
        settings,
        language=lab.language.value,
        branding=lab.branding,
        hub=access,
        guide=project / "docs/trainee.md",
        groups=group_rules(lab),
        ssh=address if offers_ssh(lab, provider) else None,
    )
    jump = set_up_ssh(c, lab, paths, provider, access)
    busy = jump.busy_machines if jump else None
    limits = StartLimits(QUEUE_TIMEOUT_S, MACHINE_TIMEOUT_S)
    start_reconciling(HubClient(access), settings, order_rules(lab, limits), busy)


def _check_descriptors(lab: Lab, provider: Provider) -> None:
    from vmlab.network.accepting import accept_patiently  # noqa: PLC0415 - only the hub needs it

    accept_patiently()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    machines = len(lab.accounts.trainees) * (1 + len(lab.nodes)) + (lab.server is not None)
    machines += machines_ahead(provider)
    wanted = descriptors_for(machines, HUB_DESCRIPTORS if offers_ssh(lab, provider) else 0)
    if limit < wanted:
        _log.warning(
            "this process may open %d files; %d machines that use all their connections need %d "
            "(`vmlab doctor` says how to raise the limit)",
            limit, machines, wanted,
        )  # fmt: skip


def _set_hub(c: Any, lab: Lab, paths: Paths, bind_url: str, access: HubAccess) -> None:
    hub = c.JupyterHub
    hub.bind_url = f"{lab.hub.scheme}://{bracketed(lab.hub.address)}:{lab.hub.port}"
    hub.hub_bind_url = bind_url
    hub.logging_config = bounded_logging()
    hub.update(make_db_settings(paths.hub_database))
    hub.cookie_secret_file = str(paths.state / "cookie_secret")
    hub.cleanup_servers = False  # Ctrl-C leaves machines and trainees at work
    # No 429 for a class that starts at once: the spawner has a queue of its own (`spawning.slots`).
    hub.concurrent_spawn_limit = 0
    hub.active_server_limit = 0
    hub.allow_named_servers = False
    hub.default_url = _first_page(lab)
    # The page with the phases at once: no machine starts within the stock 10 s.
    hub.tornado_settings = {"slow_spawn_timeout": 0}
    # Ours are random; hashing them as if they were passwords would cost 5 ms of each request.
    hub.trust_user_provided_tokens = True
    hub.services = [
        {"name": CLI_SERVICE, "api_token": ensure_cli_access(paths).token},
        {"name": KEEPER_SERVICE, "api_token": access.token},
    ]


def _first_page(lab: Lab) -> Callable[[Any], str]:
    """Return a function that chooses where a log-in leads.

    Staff come to their home page, trainees to a machine: one that nobody asked for takes memory and
    a start slot from trainees.
    """
    trainees = frozenset(lab.accounts.trainees)

    def choose(handler: Any) -> str:
        user = handler.current_user
        return f"{handler.hub.base_url}home" if user and user.name not in trainees else ""

    return choose


def _set_origins(c: Any, lab: Lab) -> None:
    """Set the names of hub and machines, and the attributes that keep the hub's cookies to it."""
    hub, address = c.JupyterHub, lab.hub
    if address.certificate and address.key:
        hub.ssl_cert, hub.ssl_key = str(address.certificate), str(address.key)
    # Lax, not strict: a machine's page sends its visitor to the hub and back to log in.
    hub.tornado_settings["cookie_options"] = {"samesite": "Lax"}
    # A script of the same origin could read the cookies of any path.
    kept = {"samesite": "Lax", "httponly": True}
    secure = {"secure": True} if address.has_tls else {}
    hub.tornado_settings["xsrf_cookie_kwargs"] = kept | secure
    if address.public:
        hub.public_url = address.url
    if address.one_origin:
        return
    hub.subdomain_host = address.url.rstrip("/")
    hub.subdomain_hook = machine_host
    # Their path is "/", so where machines share the hub's origin they would be sent to them.
    hub.cookie_host_prefix_enabled = address.has_tls


def _set_accounts(c: Any, lab: Lab, paths: Paths) -> None:
    c.JupyterHub.authenticator_class = "vmlab.people.authenticator.LabAuthenticator"
    c.LabAuthenticator.accounts_file = str(paths.accounts)
    c.LabAuthenticator.database = str(paths.database)
    c.LabAuthenticator.allowed_users = set(lab.accounts.names())
    # Otherwise everybody in the hub's database could, even after being removed from lab.toml.
    c.LabAuthenticator.allow_existing_users = False
    c.JupyterHub.load_groups = {
        role.value: {"users": list(names)} for role, names in lab.accounts.by_role().items()
    }
    c.JupyterHub.load_roles = make_roles(lab)


def _set_spawner(c: Any, lab: Lab, paths: Paths, settings: ProviderSettings) -> None:
    c.JupyterHub.spawner_class = "vmlab.spawning.spawner.VMSpawner"
    spawner = c.VMSpawner
    spawner.provider_name = settings.name
    spawner.provider_options = dict(settings.options)
    spawner.state_dir = str(paths.state)
    spawner.cache_dir = str(paths.cache)
    spawner.image = lab.machine.image
    spawner.memory_mib = lab.machine.memory_mib
    spawner.cpus = lab.machine.cpus
    spawner.internet = lab.machine.internet
    spawner.internet_names = list(lab.machine.allowed)
    spawner.disk_mib_s = lab.machine.bandwidth.disk_mib_s
    spawner.disk_iops = lab.machine.bandwidth.disk_iops
    spawner.network_mbit_s = lab.machine.bandwidth.network_mbit_s
    spawner.group = group_rules(lab)
    spawner.volume_mib = lab.volume_mib
    spawner.total_mib = lab.total_mib
    spawner.language = lab.language.value
    spawner.start_slots = lab.provider.start_slots
    spawner.queue_timeout = QUEUE_TIMEOUT_S
    spawner.machine_timeout = MACHINE_TIMEOUT_S
    spawner.http_timeout = HTTP_TIMEOUT_S
