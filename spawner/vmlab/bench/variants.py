"""What is compared: how the hub of each variant is configured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmlab.bench.facts import Variant
from vmlab.lab.provider_options import default_provider
from vmlab.model import StartStyle

COMPARED: Final = (
    Variant.PROCESS,
    Variant.PROCESS_LEAN,
    Variant.CLONE,
    Variant.POOL,
    Variant.SLIM_BOOT,
    Variant.BOOT,
)

_STYLES: Mapping[Variant, StartStyle] = {
    Variant.CLONE: StartStyle.CLONE,
    Variant.POOL: StartStyle.AUTO,
    Variant.SLIM_BOOT: StartStyle.BOOT,
    Variant.BOOT: StartStyle.PLAIN,
}
PROCESSES: Final = (Variant.PROCESS, Variant.PROCESS_LEAN)
_BOOTS: Final = (Variant.SLIM_BOOT, Variant.BOOT)
_FEW_SEATS: Final = 5
"""Beyond, all boots at once take so long under software emulation that they run on request only."""

LIMIT_S: Final = 1800.0
"""A start that took longer has failed: as long as VMLab's own limit."""


@dataclass(frozen=True)
class HubPlan:
    """What the hub of one variant needs to know."""

    variant: Variant
    seats: int
    folder: Path
    cache: Path
    project: Path
    image: str
    port: int
    token: str
    peer: Path | None  # the virtual environment of the local process
    lab_lines: str = ""  # what its lab has besides


def is_machine(variant: Variant) -> bool:
    """Tell whether it starts virtual machines."""
    return variant in _STYLES


def choose_variants(seats: int, *, compare: bool) -> tuple[Variant, ...]:
    """Return what is measured when nobody names variants."""
    if not compare:
        return (Variant.CLONE,)
    return COMPARED if seats <= _FEW_SEATS else tuple(v for v in COMPARED if v not in _BOOTS)


def choose_rounds(variant: Variant, seats: int) -> int:
    """Return how often a variant has its turn when nobody says: medians need several starts."""
    if seats > _FEW_SEATS:
        return 1
    if seats > 1:
        return 1 if variant in _BOOTS else 2
    return 3 if variant in _BOOTS else 5


def make_groups(seats: int, variants: Sequence[Variant]) -> list[Sequence[Variant]]:
    """Return which variants are measured side by side: all, or each alone if seats are many."""
    return [variants] if seats <= _FEW_SEATS else [[variant] for variant in variants]


def choose_idle_seats(variant: Variant, seats: int) -> int:
    """Return how many machines are started for measuring memory.

    Clones and processes share pages, so there are as many as in the timed rounds; machines that
    booted share none, so one of them tells all.
    """
    return 1 if variant in _BOOTS else seats


def make_lab(plan: HubPlan) -> str:
    """Return the lab.toml of a variant's hub."""
    provider = default_provider() if is_machine(plan.variant) else "fake"
    options = f"[provider.{provider}]\n"
    if plan.variant in _STYLES:
        options += f'pool = {_pool_size(plan)}\nstart_style = "{_STYLES[plan.variant]}"\n'
    return (
        f'[lab]\nname = "bench"\n'
        f'[machine]\nimage = "{plan.image}"\n'
        f'[provider]\nname = "{provider}"\n{options}'
        f"[hub]\nport = {plan.port}\none_origin = true\n"  # as the peers, which have one name
        f"[accounts]\ntrainees = 1\n{plan.lab_lines}"
    )


def needs_template(variant: Variant) -> bool:
    """Tell whether its machines are clones."""
    return variant in {Variant.CLONE, Variant.POOL}


def expected_origin(variant: Variant) -> str:
    """Return how its machines are expected to start, as a machine's record says."""
    return "pool" if variant is Variant.POOL else _STYLES.get(variant, "")


def make_config(plan: HubPlan) -> str:
    """Return the jupyterhub_config.py: what `vmlab up` uses, and what the variant needs."""
    return _COMMON.format(
        folder=str(plan.folder), cache=str(plan.cache), project=str(plan.project), token=plan.token
    ) + "".join(f"{line}\n" for line in _own_lines(plan))


_COMMON = """\
from pathlib import Path
from vmlab.configure import configure
from vmlab.lab.lab import load_lab
from vmlab.paths import Paths

c = get_config()
paths = Paths(Path({folder!r}), Path({cache!r}))
lab = load_lab(paths.state / "lab.toml")
configure(c, lab, paths, project=Path({project!r}))
c.LabAuthenticator.allow_all = True  # each round makes seats of its own, which lab.toml has not
c.JupyterHub.load_roles.append({{
    "name": "bench",
    "scopes": ["admin:users", "admin:servers", "admin:server_state", "access:servers", "tokens"],
    "services": ["bench"],
}})
c.JupyterHub.services.append({{"name": "bench", "api_token": {token!r}}})
"""


def _pool_size(plan: HubPlan) -> int:
    return plan.seats if plan.variant is Variant.POOL else 0


def _own_lines(plan: HubPlan) -> list[str]:
    if plan.variant is Variant.POOL:
        return ["from vmlab.upkeep.readiness import start_preparing", "start_preparing(lab, paths)"]
    if plan.variant in _STYLES or plan.variant is Variant.FAKE:
        return []
    program = (plan.peer or Path()) / "bin" / "jupyterhub-singleuser"
    homes = f"{plan.folder}/homes/{{username}}"
    return [
        "c.JupyterHub.spawner_class = 'simple'",
        "c.JupyterHub.cleanup_servers = True",
        f"c.Spawner.cmd = [{str(program)!r}]",
        "c.Spawner.args = ['--allow-root']",
        f"c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}",
        # The stock limits of 60 and 30 s would count a class that starts at once as failed.
        f"c.Spawner.start_timeout = c.Spawner.http_timeout = {LIMIT_S:.0f}",
        "c.LocalProcessSpawner.interrupt_timeout = 1",
    ]
