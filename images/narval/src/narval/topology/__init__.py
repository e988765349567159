"""Topologies: read, checked, written."""
