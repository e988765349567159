"""The hub's pages in French and English: templates that extend JupyterHub's own, and static files.

Every text is there in both languages, `<span lang="en">` beside `<span lang="fr">`; the root
element's language, set before the first paint, shows one of them. `static/language.js` makes
that choice; `static/*-text.js` have the texts that scripts write. `static/*-model.js` turn the
API's answers into what is shown, without a page; `types.d.ts` tells the type checker what they are.

    guide  docs/trainee.md as a page
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.handlers.static import CacheControlStaticFilesHandler

from vmlab.groups.rules import GroupRules
from vmlab.lab.branding import Branding

_HERE = Path(__file__).parent


def setup_pages(
    c: Any,
    *,
    language: str,
    chosen: Callable[[Any], str],
    branding: Branding,
    groups: GroupRules,
    has_ssh: bool = False,
) -> None:
    """Add templates, static files, languages and branding to a hub's configuration.

    Args:
        language: the default.
        chosen: returns what a user of JupyterHub's chose, or nothing; called for each page.
        branding: how the lab presents itself.
        groups: what machines a trainee has.
        has_ssh: whether there is a page for SSH.

    Raises:
        ValueError: there are no texts in this language.
    """
    if language not in {"en", "fr"}:
        raise ValueError(f"language {language!r}; allowed: 'en', 'fr'")
    c.JupyterHub.template_paths.insert(0, str(_HERE / "templates"))
    c.JupyterHub.template_vars.update(
        {
            "vmlab_language": language,
            "vmlab_chosen": chosen,
            "vmlab_branding": branding,
            "vmlab_group": groups.is_several,
            "vmlab_machines": groups.machines,
            "vmlab_has_ssh": has_ssh,
        }
    )
    c.JupyterHub.extra_handlers.append(
        (
            r"/vmlab-static/(.*)",
            CacheControlStaticFilesHandler,
            {"path": str(_HERE / "static")},
        )
    )
