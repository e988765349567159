"""A data acquisition framework, compatible with NARVAL's files, shell and C plugins."""

__version__ = "0.1.0"
