"""Delivery of courses: fetched by the agent, written by a helper that is the trainee."""

from __future__ import annotations
