"""The hub's configuration. Thin: everything follows from lab.toml (vmlab/configure.py says how)."""

import os
from pathlib import Path

from vmlab.configure import configure
from vmlab.lab.lab import load_lab
from vmlab.paths import default_paths
from vmlab.upkeep.readiness import start_preparing
from vmlab.upkeep.volumes import keep_volumes

project = Path(__file__).parent
lab = load_lab(Path(os.environ.get("VMLAB_LAB") or project / "lab.toml"))
configure(get_config(), lab, default_paths(), project=project)  # type: ignore[name-defined]
start_preparing(lab, default_paths())
keep_volumes(lab, default_paths())
