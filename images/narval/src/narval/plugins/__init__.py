"""Plugins: what trainees write, in C or Python, and generic actors run."""
