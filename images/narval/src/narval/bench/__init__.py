"""How fast this machine's acquisition is."""
