"""What the push takes of notebooks, JupyterLab opens and saves: asked of its own server's code."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from tornado.web import HTTPError

from fakes.courses import NOTEBOOK
from vmlab.courses.notebooks import notebook_mistakes

CODE: dict[str, Any] = {
    "cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None,
}  # fmt: skip
TEXT: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": "hi"}


def notebook(*cells: object, **changes: object) -> dict:
    return {"cells": [*cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | changes


def without(table: dict, *keys: str) -> dict:
    return {key: value for key, value in table.items() if key not in keys}


def raw(table: dict) -> bytes:
    return json.dumps(table).encode()


def jupyter_complains(folder: Path, content: bytes) -> str:
    """Return why Jupyter's server or a browser cannot read, send or save this; empty if it can."""
    (folder / "x.ipynb").write_bytes(content)
    manager = FileContentsManager(root_dir=str(folder))
    try:
        model = manager.get("x.ipynb", content=True)
        json.dumps(model["content"], allow_nan=False, ensure_ascii=False).encode()
        saved = manager.save(model, "x.ipynb")
    except (HTTPError, ValueError) as e:
        return str(e)
    return str(model.get("message") or saved.get("message") or "")


DAMAGED = {
    "a byte order mark": (b"\xef\xbb\xbf" + raw(notebook(TEXT)), "byte order mark"),
    "UTF-16": (json.dumps(notebook(TEXT)).encode("utf-16"), "it is UTF-16"),
    "UTF-16 without a mark": (json.dumps(notebook(TEXT)).encode("utf-16-le"), "not valid JSON"),
    "Latin-1": (json.dumps(notebook(TEXT | {"source": "é"}), ensure_ascii=False).encode("latin-1"),
                "not UTF-8 text"),
    "no metadata": (raw(without(notebook(TEXT), "metadata")), "'metadata' is a required property"),
    "a cell without metadata": (raw(notebook(TEXT, without(CODE, "metadata"))),
                                "cell 2: 'metadata' is a required property"),
    "a cell without outputs": (raw(notebook(without(CODE, "outputs"))),
                               "cell 1: 'outputs' is a required property"),
    "an odd output": (raw(notebook(CODE | {"outputs": [{"output_type": "x"}]})),
                      "cell 1.outputs.0: {'output_type': 'x'} is not valid"),
    "no minor format": (raw(without(notebook(TEXT), "nbformat_minor")),
                        "nbformat_minor is missing"),
    "a format as text": (raw(notebook(TEXT, nbformat="4")), "notebook format '4'; allowed: 4"),
    "a minor format as text": (raw(notebook(TEXT, nbformat_minor="5")), "nbformat_minor '5'"),
    "NaN": (raw(notebook(TEXT, metadata={"x": float("nan")})), "NaN is not a number"),
    "infinity": (raw(notebook(TEXT)).replace(b'"hi"', b'"hi", "metadata": {"x": 1e999}'),
                 "the number 1e999 is too large"),
    "half a character": (raw(notebook(TEXT | {"source": "\ud83d"})), "surrogates not allowed"),
    "tags that are no list": (raw(notebook(TEXT | {"metadata": {"tags": "a"}})), "cell 1.metadata"),
    "an unknown key": (raw(notebook(CODE | {"colour": 1})), "cell 1: Additional properties"),
    "a number of 5000 digits": (raw(notebook(TEXT)).replace(b'"hi"', b"9" * 5000),
                                "a whole number of 5000 digits"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "why"), DAMAGED.values(), ids=DAMAGED)
def test_what_jupyter_cannot_use_is_refused_with_its_reason(tmp_path, content, why):
    (first, *_) = map(str, notebook_mistakes("c/x.ipynb", content))
    assert first.startswith("c/x.ipynb:1: ")
    assert why in first
    assert jupyter_complains(tmp_path, content), "then the rule would be ours alone"


FINE = {
    "ours": raw(NOTEBOOK),
    "without names of cells": raw(notebook(TEXT, CODE)),
    "with the same name twice": raw(notebook(TEXT | {"id": "a"}, CODE | {"id": "a"})),
    "of an older format": raw(notebook(TEXT, CODE, nbformat_minor=2)),
    "with tags and metadata of anybody": raw(
        notebook(TEXT | {"metadata": {"tags": ["lang-fr"], "vmlab": {"lang": "fr"}}})
    ),
    "with an emoji in two escapes": b'{"cells": [], "metadata": {"a": "\\ud83d\\ude00"}, '
    b'"nbformat": 4, "nbformat_minor": 5}',
}


# What Jupyter mends by itself it tells by a warning.
@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
@pytest.mark.parametrize("content", FINE.values(), ids=FINE)
def test_what_jupyter_can_use_is_taken(tmp_path, content):
    assert notebook_mistakes("x", content) == []
    assert jupyter_complains(tmp_path, content) == ""


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (notebook(TEXT, nbformat=3), "notebook format 3; allowed: 4"),
        (notebook(TEXT, nbformat_minor=99), "nbformat_minor 99; allowed: 0 to 5"),
        (notebook(TEXT, nbformat_minor=True), "nbformat_minor true"),
        (notebook({"cell_type": "cod"}), "cell 1: unknown cell_type 'cod'"),
        (notebook({"cell_type": []}), "cell 1: unknown cell_type []"),
        (notebook(CODE | {"source": 7}), "cell 1: its source is not text"),
        (notebook("x"), "cell 1: not an object"),
        (notebook(*[TEXT] * 2001), "2001 cells; a notebook has at most 2000"),
        (notebook(CODE | {"outputs": [{}] * 10_001}), "10001 outputs"),
    ],
)
def test_what_is_refused_in_our_words(table, why):
    assert why in str(notebook_mistakes("x", raw(table))[0])


@pytest.mark.timeout(60)
def test_a_million_mistakes_are_told_in_a_few_lines_and_soon():
    wrong = b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": ['
    for cell in (b"0", raw(without(CODE, "metadata"))):
        many = 2000 if len(cell) > 1 else 1
        content = wrong + b",".join([cell] * many) + b"]}"
        found = notebook_mistakes("x", content)
        assert len(found) == min(20, many)
    outputs = notebook(CODE | {"outputs": [{"output_type": "x"}] * 10_000})
    began = time.process_time()
    assert len(notebook_mistakes("x", raw(outputs))) == 1
    assert time.process_time() - began < 20, "the whole-notebook way took minutes"


def test_nothing_is_changed_in_what_was_read():
    table = notebook(TEXT, CODE)
    before = deepcopy(table)
    notebook_mistakes("x", raw(table))
    assert table == before
