"""The command `narval`."""
