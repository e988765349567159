"""SSH from outside, with OpenSSH's own programs against a real hub."""
