"""One actor's process: `python -m narval.actor`."""
