"""What a lab calls itself: [lab] in lab.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmlab.errors import ConfigError
from vmlab.lab.branding import (
    COLOUR,
    Branding,
    LogoKind,
    contrast_of_white,
    find_kind,
    logo_problem,
)
from vmlab.lab.lab import load_lab, parse_lab
from vmlab_protocol.notices import Notice

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def read(lines: str) -> Branding:
    return parse_lab(f"[lab]\n{lines}", Path("/lab/lab.toml")).branding


def mistake(lines: str) -> str:
    with pytest.raises(ConfigError) as found:
        read(lines)
    return str(found.value)


def test_a_lab_without_a_face_has_vmlabs():
    assert read("") == Branding(None, None, None, None, COLOUR)


def test_one_text_is_for_both_languages_and_two_are_for_one_each():
    branding = read(
        """
        title = "GANIL school"
        event = { en = "Autumn 2026, Caen", fr = "Automne 2026, Caen" }
        helpers = "Anne, Luc"
        logo = "school.svg"
        colour = "#7A1F3D"
        """
    )
    assert branding == Branding(
        Notice("GANIL school", "GANIL school"),
        Notice("Autumn 2026, Caen", "Automne 2026, Caen"),
        Notice("Anne, Luc", "Anne, Luc"),
        Path("/lab/school.svg"),
        "#7A1F3D",
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('title = ""', "lab.title"),
        ('title = "two\\nlines"', "lab.title"),
        (f'title = "{"x" * 81}"', "longer than 80"),
        ('event = { en = "Only English" }', "lab.event.fr: missing"),
        ('event = { en = "a", fr = "b", de = "c" }', "unknown key"),
        ("helpers = 7", "lab.helpers"),
        ('colour = "red"', "#0f5f73"),
        ('colour = "#f37524"', "contrast of 2.8:1"),
        ('color = "#0f5f73"', "did you mean 'colour'?"),
    ],
)
def test_mistakes_are_named(lines, words):
    assert words in mistake(lines)


@pytest.mark.parametrize(
    ("colour", "contrast"), [("#ffffff", 1), ("#000000", 21), ("#f37524", 2.84), ("#767676", 4.54)]
)
def test_contrast(colour, contrast):
    assert contrast_of_white(colour) == pytest.approx(contrast, abs=0.01)


def test_vmlabs_own_colour_can_be_read():
    assert contrast_of_white(COLOUR) > 7


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, LogoKind.PNG),
        (b"\xff\xd8\xff\xe0" + bytes(20), LogoKind.JPEG),
        (b"RIFF\0\0\0\0WEBPVP8 ", LogoKind.WEBP),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", LogoKind.SVG),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- > --><!DOCTYPE svg>\n<svg >", LogoKind.SVG),
        (b"<html><svg></svg></html>", None),
        (b"<svgx>", None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_a_picture_is_known_by_its_content(content, kind):
    assert find_kind(content) is kind


def write(folder: Path, content: bytes | None) -> Path:
    (folder / "course.toml").touch()
    if content is not None:
        (folder / "logo.png").write_bytes(content)
    path = folder / "lab.toml"
    path.write_text('[lab]\nlogo = "logo.png"\n')
    return path


def test_a_logo_is_looked_at_when_the_lab_is_read(tmp_path):
    lab = load_lab(write(tmp_path, PNG))
    assert lab.branding.logo == tmp_path / "logo.png"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"<html><script>alert(1)</script>", "is not a PNG, JPEG, WebP or SVG"),
        (PNG + bytes(256 * 1024), "larger than 256 KiB"),
    ],
)
def test_what_is_no_logo_is_a_mistake_of_its_line(tmp_path, content, words):
    with pytest.raises(ConfigError, match=words) as found:
        load_lab(write(tmp_path, content))
    assert "lab.toml:2: lab.logo:" in str(found.value)


def test_a_long_beginning_costs_no_time():
    assert find_kind(b"<!--" * 60_000) is None
    assert find_kind(b"<!-- -->" * 30_000 + b"<html>") is None
    assert logo_problem(Path("/nowhere/at/all")).endswith("No such file or directory")
