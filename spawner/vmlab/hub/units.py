"""systemd units: hub up with the host, machines down before the host. Text makers, pure.

- `vmlab.service` is the hub. Machines live in scopes of their own (`confine.make_scope_words`), so
  stopping or restarting it leaves them and the trainees at work.
- `vmlab-machines.service` runs nothing; when the host goes down it is stopped before the machines'
  scopes, which are ordered before it, and then runs `vmlab down`: guests are asked first.
- `vmlab.slice` holds the scopes: what all machines together leave to the host.

ref: systemd.unit(5), systemd.service(5), systemd.slice(5), systemd.kill(5)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import ConfigError
from vmlab.hub.descriptors import SERVICE_LIMIT

HUB_UNIT = "vmlab.service"
MACHINES_UNIT = "vmlab-machines.service"
"""The unit that shuts machines down with the host; libvirt orders its machines likewise."""

SLICE_UNIT = "vmlab.slice"
UNITS = (HUB_UNIT, MACHINES_UNIT, SLICE_UNIT)

DOWN_LIMIT_S = 120
"""How long machines may take when the host goes down; then they are forced off."""

_DOWN_MARGIN_S = 30
_FORBIDDEN = frozenset("\"'\\")  # systemd takes no program of such a name
_HUB_STOP_S = 60


@dataclass(frozen=True)
class ServiceFacts:
    """What the units depend on."""

    program: Path  # vmlab
    project: Path
    lab: Path
    state: Path
    cache: Path
    memory_mib: int  # of all machines together


def make_units(facts: ServiceFacts) -> dict[str, str]:
    """Return the text of each unit by its name.

    Raises:
        ConfigError: a path cannot be written into a unit.
    """
    return {
        HUB_UNIT: _hub(facts),
        MACHINES_UNIT: _machines(facts),
        SLICE_UNIT: _slice(facts),
    }


def _hub(facts: ServiceFacts) -> str:
    return f"""\
[Unit]
Description=VMLab, a virtual machine for every trainee
{_mounts(facts)}
After=network.target {MACHINES_UNIT}
Wants={MACHINES_UNIT}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
{_environment(facts)}
WorkingDirectory={_path(facts.project)}
ExecStart={_quote(facts.program)} up --lab {_argument(facts.lab)}
Restart=on-failure
RestartSec=5
# The hub alone gets the signal, and ends its proxy; machines are in scopes of their own.
KillMode=mixed
TimeoutStopSec={_HUB_STOP_S}
# systemd's own hard limit: enough for the hub of two thousand machines that attack it.
LimitNOFILE={SERVICE_LIMIT}
# An interrupted start of the hub is not a failure.
SuccessExitStatus=130

[Install]
WantedBy=multi-user.target
"""


def _machines(facts: ServiceFacts) -> str:
    return f"""\
[Unit]
Description=VMLab's machines, shut down with the host
{_mounts(facts)}
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
{_environment(facts)}
WorkingDirectory={_path(facts.project)}
ExecStart=/bin/true
ExecStop={_quote(facts.program)} down --limit {DOWN_LIMIT_S}
TimeoutStopSec={DOWN_LIMIT_S + _DOWN_MARGIN_S}

[Install]
WantedBy=multi-user.target
"""


def _slice(facts: ServiceFacts) -> str:
    return f"""\
[Unit]
Description=VMLab's machines

[Slice]
# What hub, proxy and system need stays theirs, whatever all machines do.
MemoryMax={facts.memory_mib}M
CPUWeight=50
IOWeight=50
"""


def _mounts(facts: ServiceFacts) -> str:
    paths = (facts.project, facts.lab, facts.state, facts.cache)
    return f"RequiresMountsFor={' '.join(_quote(path) for path in paths)}"


def _environment(facts: ServiceFacts) -> str:
    values = {
        "VMLAB_PROJECT": facts.project,
        "VMLAB_STATE": facts.state,
        "VMLAB_CACHE": facts.cache,
    }
    return "\n".join(f'Environment="{key}={_path(value)}"' for key, value in values.items())


def _argument(path: Path) -> str:
    """Return a path as a word of a command behind the program; a dollar would be a variable."""
    return _quote(path).replace("$", "$$")


def _quote(path: Path) -> str:
    """Return a path as a word of a list."""
    return f'"{_path(path)}"'


def _path(path: Path) -> str:
    """Return a path as a whole value, which is not split into words."""
    return _plain(path).replace("%", "%%")


def _plain(path: Path) -> str:
    text = str(path)
    if not path.is_absolute() or not text.isprintable() or set(text) & _FORBIDDEN:
        raise ConfigError(
            f"{text!r} cannot be written into a systemd unit",
            hint="it must be an absolute path without quotes, backslashes and control characters",
        )
    return text
