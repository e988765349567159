"""Fakes that implement production interfaces."""
