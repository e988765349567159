"""The start's last page, put before JupyterLab: a browser has something to show at its first byte.

JupyterLab's own page is empty until a browser has some eighty files of it. cover.html is sent with
that page, in front of everything; labextension-course takes it away when there is something to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment

PAGE = "index.html"
_SCRIPT = "vmlab-cover.js"  # what cover.html includes
_BODY = re.compile(r"<body\b[^>]*>")


def cover_page(environment: Environment, read_language: Callable[[], str]) -> None:
    """Have the page that this environment makes begin with the cover.

    Args:
        read_language: asked each time that the page is made: "en" or "fr".
    """
    environment.globals["vmlab_language"] = read_language
    if environment.loader is not None:
        environment.loader = _Covering(environment.loader)


def add_cover(page: str, cover: str) -> str:
    """Return a page's template that begins with the cover; unchanged if it has no body. Pure."""
    return _BODY.sub(lambda body: body[0] + cover, page, count=1)


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


class _Covering(BaseLoader):
    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(self, environment: Environment, template: str) -> Any:
        if template == _SCRIPT:
            return _read("cover.js"), None, None
        source, *more = self._inner.get_source(environment, template)
        if template == PAGE:
            source = add_cover(source, _read("cover.html"))
        return source, *more

    def list_templates(self) -> list[str]:
        return self._inner.list_templates()
