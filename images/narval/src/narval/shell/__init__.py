"""The shell: its grammar and its answers."""
