"""Reading with mistakes: what each message says, and that nothing but ConfigError comes out."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import MAX_BYTES, TomlFile, load_toml, nearest, parse_toml


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def read_all(text: str) -> TomlFile:
    file = parse_toml(text, "x.toml")
    root = file.root()
    root.text("name", "none", pattern="[a-z]+", allowed="small letters")
    root.choice("colour", Colour, Colour.RED)
    root.whole("count", 1, minimum=1, maximum=9)
    root.flag("on", default=False)
    root.texts("people", pattern="[a-z]+", allowed="names of small letters")
    root.table("inner").text("key")
    for table in root.tables("many"):
        table.whole("number", minimum=0, maximum=5)
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nname = 3", "x.toml:2: name: 3 is not a text between quotes; allowed: small letters"),
        ('name = "A"', "x.toml:1: name: 'A' is not allowed; allowed: small letters"),
        (
            'colour = "gren"',
            "x.toml:1: colour: 'gren' is not allowed; did you mean 'green'? (allowed: green, red)",
        ),
        ("count = 10", "x.toml:1: count: 10 is out of range; allowed: 1 to 9"),
        ("count = true", "x.toml:1: count: true is not a whole number; allowed: 1 to 9"),
        ('on = "yes"', "x.toml:1: on: 'yes' is not allowed; allowed: true, false (no quotes)"),
        (
            'people = ["a",\n"B"]',
            "x.toml:2: people[2]: 'B' is not allowed; allowed: names of small letters",
        ),
        ("inner = 1", "x.toml:1: inner: 1 is not a section; write [inner] on a line of its own"),
        ("[inner]\nkey = 1", "x.toml:2: inner.key: 1 is not a text between quotes"),
        ("many = 1", "x.toml:1: many: 1 is not a list of sections; write [[many]]"),
        (
            "[[many]]\nnumber=1\n[[many]]\nnumber = 6",
            "x.toml:4: many[2].number: 6 is out of range; allowed: 0 to 5",
        ),
        ("coluor = 1", "x.toml:1: coluor: unknown key; did you mean 'colour'?"),
        ("[inner]\nkey='a'\nkye='b'", "x.toml:3: inner.kye: unknown key; did you mean 'key'?"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_all(text).finish()
    assert message in str(caught.value)


def test_all_mistakes_come_at_once_in_order_of_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        read_all('nmae = "x"\ncount = 0\non = 1\n[inner]\nkey = 2').finish(hint="see the guide")
    lines = str(caught.value).splitlines()
    assert lines[0] == "x.toml has 4 mistakes:"
    assert [line.split(":")[1] for line in lines[1:5]] == ["1", "2", "3", "5"]
    assert lines[5] == "  hint: see the guide"


def test_a_missing_required_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"inner\.key: missing"):
        read_all("").finish()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = = 2", "x.toml:2, column 5: not valid TOML"),
        ("a = [1,", "x.toml:1: not valid TOML"),
        ("a = 1\na = 2\nb = 1", "x.toml:2, column 6: not valid TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, "x.toml: not usable TOML"),
        ("a = " + "9" * 5000, "x.toml: not usable TOML"),
    ],
)
def test_bad_toml_is_named_by_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "x.toml")
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        load_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_toml(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('a = 1\nb = "é"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml:2: not UTF-8 text \(byte 0xe9\)"):
        load_toml(latin)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load_toml(large)


def test_a_wrong_value_is_shown_on_one_short_line() -> None:
    with pytest.raises(ConfigError) as caught:
        read_all('[inner]\nkey="x"\n[many]\nx = """' + "a\n\x1b"[:2] * 500 + '"""').finish()
    assert all(len(line) < 200 for line in str(caught.value).splitlines())


def test_nearest_word() -> None:
    assert nearest("Memroy", ["memory", "image"]) == "memory"
    assert nearest("zzz", ["memory", "image"]) is None


known = st.sampled_from(["name", "colour", "count", "on", "people", "inner", "many", "other"])
some_values = st.sampled_from(
    ['"x"', "1", "-3.5", "true", "[]", '["a", 2]', "{ key = 1 }", "[{ number = 9 }]", "07:32:00"]
)
lines = st.tuples(known, some_values).map(" = ".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(lines, max_size=6).map("\n".join)))
def test_no_other_exception_for_any_text(text: str) -> None:
    with contextlib.suppress(ConfigError):
        read_all(text).finish()


@pytest.mark.timeout(20)  # it once took all memory
@pytest.mark.parametrize(
    "key", ["a." * 100_000 + "a", '"a".' * 50_000 + "a", "a . " * 60_000 + "a"]
)
def test_a_key_of_very_many_parts_is_refused_before_it_costs_anything(key):
    with pytest.raises(ConfigError, match=r"x.toml:2: more than 100 dots"):
        parse_toml(f"# one\n{key} = 1\n", "x.toml")


def test_dots_within_texts_count_for_nothing():
    text = f'a = "{"." * 500}" # and {"." * 50}'
    assert parse_toml(text, "x.toml").data == {"a": "." * 500}


def test_of_very_many_mistakes_fifty_are_told():
    file = parse_toml("\n".join(f"k{number} = 1" for number in range(1000)), "x.toml")
    file.root()
    with pytest.raises(ConfigError, match="has 1000 mistakes") as caught:
        file.finish()
    assert caught.value.message.count("unknown key") == 50
    assert caught.value.message.endswith("and 950 more")
