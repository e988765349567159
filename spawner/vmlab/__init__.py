"""VMLab: a whole virtual machine for every trainee, in the browser (the hub's side)."""

__version__ = "0.1.0"
