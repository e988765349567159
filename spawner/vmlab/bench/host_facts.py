"""What the numbers of a run depend on: host, versions, date."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from vmlab.errors import LabError
from vmlab.images.store import ImageStore
from vmlab.providers.abilities import ExaminesHost
from vmlab.providers.base import Provider


async def find_facts(image: str, images: Path, provider: Provider) -> dict[str, Any]:
    """Return host, versions and date, for the JSON."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "kernel": platform.release(),
        "load_before": [round(load, 2) for load in psutil.getloadavg()],
        "python": sys.version.split()[0],
        "jupyterhub": _version("jupyterhub"),
        "vmlab": _version("vmlab"),
        **await _engine_versions(provider),
        "image": _image(image, images),
    }


def parse_processor(cpuinfo: str) -> str:
    """Return the model's name from /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def _processor() -> str:
    return parse_processor(Path("/proc/cpuinfo").read_text(errors="replace"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


async def _engine_versions(provider: Provider) -> Mapping[str, str]:
    try:
        return (await provider.engine()).versions if isinstance(provider, ExaminesHost) else {}
    except LabError:
        return {}


def _image(name: str, images: Path) -> str:
    try:
        return f"{name} {ImageStore(images).find(name).version}"
    except LabError:
        return ""
