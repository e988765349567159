"""JupyterLab in the trainee's language: its own words, its page, and the switch in it.

    POST vmlab/language   {"language": "fr"}: have the hub remember it and tell the agent

A page is made in the language that the machine has at that moment, whatever it was when the server
began. JupyterLab's part is labextension/static/language.js.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tornado import web

from vmlab_guest.answering import AnsweringHandler, own_hub
from vmlab_guest.language import read_language
from vmlab_guest.system import RUN
from vmlab_protocol.notices import Language

_RUN = Path(os.environ.get("VMLAB_ROOT") or "/") / RUN
_SETTINGS = "@jupyterlab/translation-extension:plugin"
_LOCALES = {Language.EN: "en", Language.FR: "fr_FR"}
_HOOK = "page_config_hook"
_HUB_S = 20.0  # it waits for the agent


class LanguageHandler(AnsweringHandler):
    """The switch."""

    @web.authenticated
    async def post(self) -> None:
        """Answer when hub and machine have the language; it is the account's from then on."""
        body = self.get_json_body()
        language = body.get("language") if isinstance(body, dict) else None
        if not isinstance(language, str) or language not in set(Language):
            self.refuse(400, f"language: 'en' or 'fr', got {repr(language)[:40]}")
            return
        await self.answer(_choose, language)


def _choose(language: str) -> dict[str, Any]:
    own_hub().post_json("language", {"language": language}, _HUB_S)
    return {"language": language}


def follow_language(app: Any) -> None:
    """Make every page that this server sends follow the machine's language.

    Args:
        app: the server; not begun yet, because JupyterHub puts in its own hook after extensions.
    """

    def begin() -> None:
        settings = app.web_app.settings
        settings[_HOOK] = _make_hook(app.web_app, settings.get(_HOOK))

    app.io_loop.add_callback(begin)


def _make_hook(web_app: Any, before: Any) -> Any:
    def speak(handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
        language = read_language(_RUN)
        set_default_locale(web_app, language)
        config: dict[str, Any] = before(handler, page_config) if before else page_config
        return {**config, "vmlabLanguage": language.value}

    return speak


def set_default_locale(web_app: Any, language: Language) -> None:
    """Set JupyterLab's default language; the page asks for its settings after this.

    The site's defaults (overrides.json) are read once, when a server begins.
    ref: jupyterlab_server 2.28, handlers.py `add_handlers`
    """
    for rule in _list_rules(web_app.default_router):
        options = getattr(rule, "target_kwargs", None) or {}
        if "overrides" in options:
            options["overrides"].setdefault(_SETTINGS, {})["locale"] = _LOCALES[language]


def _list_rules(router: Any) -> Iterator[Any]:
    for rule in router.rules:
        yield rule
        if hasattr(rule.target, "rules"):
            yield from _list_rules(rule.target)
