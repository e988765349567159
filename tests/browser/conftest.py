"""Debian's chromium, driven by Playwright; screenshots land in artifacts/.

Pages are looked at in chromium-headless-shell: the same engine without chromium's own windows,
which take two thirds of the processor. What the browser itself decides (cookies, windows, names)
is tried in the whole chromium: a module with `WHOLE_BROWSER = True`, or `launch_browser()`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.database import Database
from vmlab.database.engine import sqlite_url
from vmlab.lab.lab import load_lab
from vmlab.model import Features
from vmlab.paths import Paths

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What turns while somebody waits is drawn sixty times a second, by the processor.
STILL = {"reduced_motion": "reduce"}
LIMIT_MS = 120_000  # Playwright's own 5 s and 30 s are too few on a busy host
expect.set_options(timeout=LIMIT_MS)


@contextmanager
def launch_browser(*more_arguments: str, package: str = "chromium") -> Iterator[Browser]:
    """Run chromium. Playwright keeps an event loop meanwhile: no other one can run beside it.

    Args:
        more_arguments: of its command line.
        package: Debian's, and its program's name.
    """
    program = os.environ.get("VMLAB_CHROMIUM") or shutil.which(package)
    assert program, f"Debian's {package} is missing: apt-get install {package}"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=[*ARGUMENTS, *more_arguments]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser(request) -> Iterator[Browser]:
    whole = getattr(request.module, "WHOLE_BROWSER", False)
    with launch_browser(package="chromium" if whole else "chromium-headless-shell") as launched:
        yield launched


@pytest.fixture
def new_page(browser, request) -> Iterator:
    """Make pages of separate people: `new_page(locale="fr-FR")`. No script may fail in them."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(**options: object) -> Page:
        chosen = {"locale": "en-GB", "viewport": {"width": 1440, "height": 900}} | STILL | options
        context = browser.new_context(**chosen)
        context.set_default_timeout(LIMIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        return page

    yield make
    failed = getattr(request.node, "rep_call", None) and request.node.rep_call.failed
    for number, context in enumerate(contexts):
        for page in context.pages:
            if failed:
                shot(page, f"failed-{request.node.name}-{number}")
        context.close()
    assert errors == []


def shot(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    ARTIFACTS.mkdir(exist_ok=True)
    file = re.sub(r"[^a-zA-Z0-9._-]+", "-", name)
    page.screenshot(path=ARTIFACTS / f"{file}.png", full_page=True)


def choose_language(hub, name: str, locale: str = "en") -> None:
    """Have an account speak a browser's language: who logged in before has kept another one."""
    language = locale[:2] if locale[:2] in {"en", "fr"} else "en"
    answer = hub.api(
        "POST", "vmlab/language", token=hub.user_token(name), json={"language": language}
    )
    answer.raise_for_status()


def log_in(
    page: Page, hub, name: str, *, path: str = "/hub/home", keep_language: bool = False
) -> None:
    """Log in through the form, and land on a page of the hub.

    Args:
        keep_language: leave the account the language that it has; else it is the browser's.
    """
    page.goto(f"{hub.base_url}/hub/login?next={path}")
    if not keep_language:
        choose_language(hub, name, page.evaluate("navigator.language"))
    page.fill("#username_input", name)
    page.fill("#password_input", hub.password(name))
    page.click("#login_submit")
    page.wait_for_url(f"**{path}*")


_cookies: WeakKeyDictionary[RunningHub, dict[str, list[Any]]] = WeakKeyDictionary()


def visit(page: Page, hub: RunningHub, name: str, *, path: str = "/hub/home") -> None:
    """Open a page of the hub as an account that logged in, through the form the first time only.

    For tests of what comes after the log-in, whose page and check of a password cost as much as
    the page that they are about. Not for accounts that log out or get another password.
    """
    cookies = _cookies.setdefault(hub, {})
    if name not in cookies:
        log_in(page, hub, name, path=path)
        cookies[name] = page.context.cookies()
        return
    choose_language(hub, name, page.evaluate("navigator.language"))
    page.context.add_cookies(cookies[name])
    page.goto(f"{hub.base_url}{path}")


def wait_until_saved(page: Page) -> None:
    """Return when the hub has the language that was chosen on a page, and the page knows it."""
    # The hub's pages forbid `eval`, with which `wait_for_function` asks a second time.
    is_saved = "sessionStorage.getItem('vmlab-language-unsaved') === null"
    wait_until(lambda: page.evaluate(is_saved))


def remember_starts(hub: RunningHub, *, boot_s: float, way: str = "") -> None:
    """Have the hub know that machines took so long to boot; before its first start of this way."""
    paths = Paths(hub.folder, hub.folder)
    lab, fake = load_lab(hub.folder / "lab.toml"), Features("fake")
    key = f"{lab.provider.name}/{fake.accelerator}/{lab.machine.image}/{fake.style}/{way}"
    # The hub makes it a moment after its first answers, or this does.
    with closing(Database(sqlite_url(paths.database))) as database:
        database.record_start(key, {"boot": boot_s})
