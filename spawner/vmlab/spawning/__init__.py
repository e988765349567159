"""VMSpawner and one start of a machine, from its place in the queue to its server's answer."""
