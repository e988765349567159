"""Targets that are broken on purpose: the runner must find them out."""

from __future__ import annotations

from fuzz.target import target


@target("found", parsers=())
def found(data: bytes) -> None:
    if data.startswith(b"["):
        raise KeyError(data)


@target("hangs", parsers=())
def hangs(data: bytes) -> None:
    while data.startswith(b"["):
        pass


@target("eats", parsers=())
def eats(data: bytes) -> None:
    if data.startswith(b"["):
        hoard = []
        while True:
            hoard.append(b"x" * 2**24)
