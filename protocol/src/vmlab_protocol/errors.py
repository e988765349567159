"""What is raised about what the other side sent."""

from __future__ import annotations


class FormatError(ValueError):
    """It breaks its format: says which field, and never shows the value of a secret one."""
