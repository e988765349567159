"""Widgets for notebooks: run control, live spectra, the picture of the topology.

Needs the extra `narval-stack[notebook]`; nothing else of the package imports this.
"""

from __future__ import annotations

from narval.notebook.control import RunControl
from narval.notebook.pictures import TopologyPicture, show_topology
from narval.notebook.spectra import LiveSpectra

__all__ = ["LiveSpectra", "RunControl", "TopologyPicture", "show_topology"]
