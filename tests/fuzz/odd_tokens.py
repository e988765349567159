"""Mutation of texts: a word, number or bracket is replaced by one that has broken parsers before.

Flipped bits seldom make a text that still is JSON or TOML, and never a number of 5,000 digits; this
does, whatever the language.
"""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(rb'"[^"\n]*"|[-+]?[0-9][0-9._]*|[A-Za-z_]+|[\[\](){}<>=:,/]')

ODD = (
    *(b"0", b"-1", b"1.5", b"true", b"false", b"null", b"[]", b"{}", b'""', b'"x"', b"x"),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"nan", b"inf", b"1_0", b"0x10", b"1e9"),
    *(b"%d" % number for number in (2**31, 2**32, 2**53, 2**63, 2**64, -(2**63), 10**20, 10**400)),
    *(b"9" * 4299, b"9" * 5000, b"1." + b"3" * 400, b"1e" + b"9" * 30),
    *(b'"\\ud800"', b'"\\udcff"', b'"\\u0000"', b'"\\n"', b'"\\u2028"', b'"\\u202e"', b"\\ud800"),
    *(b"\xed\xa0\x80", b"\xff", b"\0", b"\xc2\xa0", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf"),
    *(
        b'".."',
        b'"/etc/passwd"',
        b'"a/../../b"',
        b'"' + b"a" * 300 + b'"',
        b'"' + b"a/" * 40 + b'"',
    ),
    *(b"[" * 3000, b'{"a":' * 3000, b"[[" * 700 + b"]]" * 700, b"<a>" * 200, b"(" * 300),
    b"a." * 7000 + b"a",
    *(b"0001-01-01T00:00:00", b"9999-12-31T23:59:59", b"24:00", b"99:99", b"12:00:00"),
    *(b"'''", b'"""', b"\\", b"$9", b"&lt;", b"<!DOCTYPE a>", b"#", b"\r\n", b"\r", b"\t", b" "),
)


def replace_token(data: bytes, seed: int, most_bytes: int) -> bytes:
    """Return the text with one token replaced, doubled or left out."""
    choice = random.Random(seed)
    tokens = list(_TOKEN.finditer(data))
    if not tokens:
        return choice.choice(ODD)[:most_bytes]
    token = choice.choice(tokens)
    put = choice.choice((*ODD, b"", token[0] * 2, token[0] * 500, choice.choice(tokens)[0]))
    return (data[: token.start()] + put + data[token.end() :])[:most_bytes]
