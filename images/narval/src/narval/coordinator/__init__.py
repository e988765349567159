"""The coordinator of a sub-system: its state machine and its actors' processes."""
