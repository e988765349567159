"""Links between actors: named pipes on one host, TCP between hosts."""
