"""What keeps people from using a page: found by axe-core, the keyboard and narrow windows.

axe-core (npm, package-lock.json) runs inside the page, in light and dark, in English and French.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

from browser.conftest import wait_until_saved

_AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_WIDTHS = {390: "a telephone", 640: "1280 px at 200 %"}

# Both themes and both languages; colours know nothing of languages, so not all four. English comes
# last: the choice is the account's, and other tests read English.
_LOOKS: tuple[tuple[Literal["dark", "light"], str], ...] = (("dark", "fr"), ("light", "en"))

_FIND = """
async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.flatMap((rule) => rule.nodes.map((node) => {
        const facts = [...node.any, ...node.all, ...node.none].map((check) => check.message);
        return `${rule.impact}: ${rule.id}: ${node.target.join(" ")}: ${facts.join("; ")}`;
    }));
}
"""

_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

# What changes about an element, or about what surrounds it, when the keyboard comes to it.
_FOCUS = """
() => {
    const unseen = [];
    const wanted = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    const inDialog = document.querySelector("dialog[open]");
    for (const element of (inDialog ?? document).querySelectorAll(wanted)) {
        if (!element.checkVisibility() || element.disabled || element.type === "hidden") continue;
        element.focus({ focusVisible: true });
        if (document.activeElement !== element) continue;
        const style = getComputedStyle(element);
        const isSeen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        if (!isSeen) unseen.push(`focus is not seen: ${element.outerHTML.slice(0, 120)}`);
    }
    return unseen;
}
"""


def find_barriers(page: Page) -> list[str]:
    """Return all barriers of a page as it is shown now; the page is left as it was."""
    found: dict[str, None] = {}
    page.wait_for_load_state()  # labels and buttons are scripts' work, and come with its end
    page.emulate_media(reduced_motion="reduce")  # no colour is judged while it changes
    for theme, language in _LOOKS:
        page.emulate_media(color_scheme=theme)
        # By a program: a dialog may lie above the button.
        page.locator(f".vm-language[data-language={language}]").dispatch_event("click")
        wait_until_saved(page)  # two choices under way might arrive in the other order
        for problem in find_violations(page):
            found[f"{theme}, {language}: {problem}"] = None
    for problem in [*_too_wide(page), *page.evaluate(_FOCUS)]:
        found[problem] = None
    return list(found)


def find_violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page as it is shown now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text())
    problems: list[str] = page.evaluate(_FIND)
    return problems


def _too_wide(page: Page) -> list[str]:
    size: Any = page.viewport_size
    problems = []
    for width, what in _WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        excess = page.evaluate(_TOO_WIDE)
        if excess > 0:
            problems.append(f"{excess} px too wide for {what}")
        if not page.locator(".vm-language").first.is_visible():
            problems.append(f"nobody can choose a language on {what}")
    page.set_viewport_size(size)
    return problems
