"""How a lab presents itself on the pages for logging in and at home: [lab] in lab.toml.

Title, occasion and who helps are one text, or one in each language: `{ en = "...", fr = "..." }`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from vmlab.lab.toml_errors import Table, show
from vmlab_protocol.notices import Notice

MAX_LOGO_BYTES: Final = 256 * 1024
LEAST_CONTRAST: Final = 4.5
"""Of white text; WCAG 2.2, 1.4.3."""

COLOUR: Final = "#0f5f73"
"""VMLab's own; 7.2:1."""

_LINE: Final = r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*"
_ONE_LINE: Final = 'one line of text, or { en = "...", fr = "..." }'
_BEGINNING: Final = 8192  # bytes that are searched for where an SVG begins
_BEFORE_SVG: Final = re.compile(rb"\s+|<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE svg[^>\[]*>", re.DOTALL)
_SVG: Final = re.compile(rb"<svg[\s>]")
_TITLE_LENGTH: Final = 80
_LENGTH: Final = 200


class LogoKind(StrEnum):
    """Kinds of pictures; the values are what browsers call them."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    SVG = "image/svg+xml"


@dataclass(frozen=True)
class Branding:
    """What a lab calls itself; what is None is not shown."""

    title: Notice | None = None
    event: Notice | None = None
    helpers: Notice | None = None
    logo: Path | None = None  # absolute
    colour: str = COLOUR


def read_branding(table: Table, folder: Path) -> Branding:
    """Read the branding of a lab in its section.

    Args:
        folder: of lab.toml; the logo is relative to it.
    """
    logo = table.text("logo", "", pattern=r"[^\0]*", allowed="a PNG, JPEG, WebP or SVG file")
    return Branding(
        title=_read_words(table, "title", _TITLE_LENGTH),
        event=_read_words(table, "event", _LENGTH),
        helpers=_read_words(table, "helpers", _LENGTH),
        logo=folder / logo if logo else None,
        colour=_read_colour(table),
    )


def _read_words(table: Table, key: str, most: int) -> Notice | None:
    if isinstance(table.raw(key), dict):
        words = table.table(key)
        en, fr = (
            words.text(language, pattern=_LINE, allowed="one line of text", max_length=most)
            for language in ("en", "fr")
        )
        return Notice(en, fr)
    text = table.text(key, "", pattern=_LINE, allowed=_ONE_LINE, max_length=most)
    return Notice(text, text) if text else None


def _read_colour(table: Table) -> str:
    allowed = 'red, green and blue in hexadecimal, such as "#0f5f73"'
    colour = table.text("colour", COLOUR, pattern=r"#[0-9a-fA-F]{6}", allowed=allowed)
    contrast = contrast_of_white(colour)
    if contrast < LEAST_CONTRAST:
        table.mistake(
            "colour",
            f"white letters on {show(colour)} have a contrast of {contrast:.1f}:1, and many could "
            f"not read them; allowed: {LEAST_CONTRAST}:1 or more, so choose a darker one",
        )
    return colour


def contrast_of_white(colour: str) -> float:
    """Return the contrast of white on a colour "#rrggbb" (WCAG 2.2, relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def logo_problem(logo: Path) -> str:
    """Return what keeps a file from being a logo, in words for its key; empty when it is one."""
    try:
        load_logo(logo)
    except OSError as error:
        return f"{logo} cannot be read: {error.strerror or error}"
    except ValueError as error:
        return f"{logo} {error}"
    return ""


def load_logo(logo: Path) -> tuple[LogoKind, bytes]:
    """Return kind and content of a picture.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or no picture.
    """
    with logo.open("rb") as file:
        content = file.read(MAX_LOGO_BYTES + 1)
    if len(content) > MAX_LOGO_BYTES:
        raise ValueError(f"is larger than {MAX_LOGO_BYTES // 1024} KiB; make it smaller")
    kind = find_kind(content)
    if kind is None:
        raise ValueError("is not a PNG, JPEG, WebP or SVG picture")
    return kind, content


def find_kind(content: bytes) -> LogoKind | None:
    """Return what a picture is by its first bytes, whatever its name says."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return LogoKind.PNG
    if content.startswith(b"\xff\xd8\xff"):
        return LogoKind.JPEG
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return LogoKind.WEBP
    text, at = content[:_BEGINNING].removeprefix(b"\xef\xbb\xbf"), 0
    while found := _BEFORE_SVG.match(text, at):
        at = found.end()
    return LogoKind.SVG if _SVG.match(text, at) else None
