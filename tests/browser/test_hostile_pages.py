"""A trainee who is root in their machine serves hostile pages; others open them (chromium).

Every attack is played in three labs (hostile_lab). In the unguarded one it must succeed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from browser.conftest import LIMIT_MS, STILL, log_in, shot
from browser.hostile_lab import VISITOR, Kind, run_lab
from fakes.waiting import wait_until

pytestmark = pytest.mark.browser
WHOLE_BROWSER = True

LOGIN = "jupyterhub-hub-login"


@pytest.fixture(scope="module", params=Kind)
def lab(request, tmp_path_factory):
    with run_lab(tmp_path_factory.mktemp("hub"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def window(lab, browser) -> Iterator[BrowserContext]:
    """A window for all visits: another one costs this browser a second of the processor."""
    size = {"width": 1440, "height": 900}
    with browser.new_context(locale="en-GB", viewport=size, **STILL) as context:
        context.set_default_timeout(LIMIT_MS)
        context.new_page()  # keeps it open
        yield context


@pytest.fixture(scope="module")
def logged_in(lab, window) -> list[Any]:
    """The cookies of a browser in which an administrator is logged in."""
    page = window.new_page()
    log_in(page, lab.hub, VISITOR, keep_language=True)
    cookies = window.cookies()
    page.close()
    return cookies


@pytest.fixture
def stranger(lab, window, failed, request) -> Iterator[Page]:
    """A browser that knows nothing of the lab, in which no script fails."""
    window.clear_cookies()  # of the log-in, at first
    keeper, page = window.pages[0], window.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    yield page
    if failed():
        shot(page, f"failed-{request.node.name}")
    for each in window.pages[1:]:
        each.close()
    forget(window, keeper, lab.hub.base_url, lab.hub.machine_url("eve"))
    assert errors == []


@pytest.fixture
def visitor(window, logged_in, stranger) -> Page:
    """A browser in which an administrator is logged in."""
    window.add_cookies(logged_in)
    return stranger


def forget(window: BrowserContext, page: Page, *urls: str) -> None:
    """Leave nothing of these sites in a browser: cookies, caches, workers, what pages stored."""
    window.clear_cookies()
    session = window.new_cdp_session(page)
    session.send("Network.clearBrowserCache")
    for url in urls:
        origin = "/".join(url.split("/")[:3])
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    session.detach()


def eves_cookie(lab) -> str:
    """What makes a browser eve at the hub."""
    return f"{LOGIN}={lab.hub.login('eve').cookies[LOGIN]}"


@pytest.mark.attack("origin.pages", "a page reads the hub's pages as its visitor, by every way")
def test_a_page_takes_nothing_from_whoever_opens_it(lab, visitor, tried):
    for path in ("token", "vmlab/data", "nothing"):  # they may be in the cache then
        visitor.goto(f"{lab.hub.base_url}/hub/{path}")
    result = lab.lure(visitor, "plunder.html")
    tried(result["count"])
    if lab.is_guarded:
        assert (result["proofs"], result["stolen"]) == ({}, {})
        return
    ways = {name.split()[0] for name in result["proofs"]}
    assert ways >= {"cached", "fetch", "no-cors", "same-origin", "window", "prefetch", "cookie"}
    stolen = {"token with proof", "disk with proof", "user by no-cors without proof"}
    assert stolen <= set(result["stolen"])


@pytest.mark.attack("origin.windows", "keeps a hand on a window in which the hub is opened")
def test_a_window_of_the_hub_is_in_nobody_s_hand(lab, visitor, tried):
    visitor.goto(lab.serve("cookies.html"))
    with visitor.expect_popup() as popup:
        visitor.evaluate("(url) => { window.opened = open(url) }", f"{lab.hub.base_url}/hub/home")
    popup.value.wait_for_selector("#vm-home")
    assert popup.value.evaluate("opener === null") is lab.is_guarded
    assert visitor.evaluate("opened.closed") is lab.is_guarded
    tried(2)


@pytest.mark.attack("origin.windows", "shows the hub's pages in a frame, to catch a click")
def test_pages_of_the_hub_are_in_no_frame(lab, visitor, tried):
    visitor.goto(lab.serve("cookies.html"))
    hub = f"{lab.hub.base_url}/hub"
    framed = {
        "machine": (lab.serve("cookies.html"), "<title>cookies"),
        "home": (f"{hub}/home", "jhdata"),
        "consent": (lab.consent_url(), "Agree and open it"),
        "style": (f"{hub}/static/css/style.min.css", "--bs-"),
    }
    visitor.evaluate(
        """(framed) => Promise.all(Object.entries(framed).map(([name, [src]]) => {
            const frame = Object.assign(document.createElement("iframe"), { name, src });
            document.body.append(frame);
            return new Promise((yes) => frame.addEventListener("load", yes));
        }))""",
        framed,
    )
    shown = {name for name, (_, word) in framed.items() if word in visitor.frame(name).content()}
    # JupyterHub itself keeps its pages out of frames, not its files.
    assert shown == ({"machine"} if lab.is_guarded else {"machine", "style"})
    tried(len(framed) - 1)


@pytest.mark.attack("origin.workers", "leaves a service worker that spies on the log-in page")
def test_a_password_is_told_to_the_hub_only(lab, visitor, tried):
    lab.server.seen.clear()
    lab.serve("worker.js", ("Service-Worker-Allowed", "/"))
    made = lab.lure(visitor, "register.html")
    visitor.goto(f"{lab.hub.base_url}/hub/logout")
    log_in(visitor, lab.hub, VISITOR, keep_language=True)
    tried(len(made))
    if lab.kind is Kind.UNGUARDED:
        wait_until(lambda: lab.server.got("/spied"))
        assert lab.server.got("/spied")[0].body.decode() == lab.hub.password(VISITOR)
        return
    assert ("403" if lab.kind is Kind.ONE else "Adjust the scope") in made["/hub/"]
    # Under its own name a machine may have one for itself.
    registered = {"./"} if lab.kind is Kind.OWN else set()
    assert {scope for scope, result in made.items() if result == "registered"} == registered
    assert lab.server.got("/spied") == []


@pytest.mark.attack("origin.cookies", "gives its visitor another trainee's log-in, by all paths")
def test_a_visitor_stays_who_they_are(lab, visitor, tried):
    cookie = eves_cookie(lab)
    paths = ("/", "/hub", "/hub/", "/hub/home")
    headers = [("Set-Cookie", f"{cookie}; Path={path}") for path in paths]
    told = (("cookie", cookie), *(("path", path) for path in paths))
    assert lab.lure(visitor, "cookies.html", *headers, told=told)
    assert lab.who(visitor) == (VISITOR if lab.is_guarded else "eve")
    tried(5 * len(paths))
    if lab.is_guarded:
        sent = visitor.context.cookies(f"{lab.hub.base_url}/hub/home")
        kept = [each for each in sent if each["name"] == LOGIN]
        assert [each["path"] for each in kept] == ["/hub/"], "the foreign ones are gone"


@pytest.mark.attack("origin.cookies", "pushes the hub's cookies out with its own")
def test_too_many_cookies_log_out_at_most(lab, visitor, tried):
    kept = lab.lure(visitor, "overflow.html")
    assert 100 < kept < 400, "the browser forgets some"
    assert lab.who(visitor) in {VISITOR, ""}
    tried(400)


def test_who_is_logged_in_nowhere_can_be_logged_in_as_another_under_one_name_only(lab, stranger):
    # What one_origin cannot hold, as docs/operator.md says.
    told = (("cookie", eves_cookie(lab)), ("path", "/hub/"))
    assert lab.lure(stranger, "cookies.html", told=told)
    assert lab.who(stranger) == ("" if lab.kind is Kind.OWN else "eve")


@pytest.mark.attack("origin.pages", "reads where its visitor comes from")
def test_a_machine_is_not_told_from_which_page_of_the_hub_a_visitor_comes(lab, visitor, tried):
    lab.server.seen.clear()
    visitor.goto(f"{lab.hub.base_url}/hub/home?secret=1")
    visitor.evaluate("(url) => { location.href = url }", lab.serve("cookies.html"))
    visitor.wait_for_url("**/cookies.html")
    told = lab.server.got("/cookies.html")[0].headers.get("referer", "")
    assert ("secret" in told) is not lab.is_guarded
    tried(1)


@pytest.mark.attack("origin.name", "shows the hub's log-in page under the machine's own name")
def test_log_in_pages_are_at_the_hub_s_name(lab, stranger):
    root = lab.hub.machine_url("eve").removesuffix("/user/eve")
    stranger.goto(f"{root}/hub/login?next=/hub/home")
    assert stranger.url == f"{lab.hub.base_url}/hub/login?next=/hub/home"


@pytest.mark.attack("origin.consent", "uses what a visitor's consent gives it for other things")
def test_consent_lets_a_machine_know_its_visitor_and_nothing_more(lab, visitor, tried):
    hub = lab.hub
    visitor.goto(lab.consent_url(scope="admin:users tokens servers self admin-ui"))
    assert "Agree and open it" not in visitor.content(), "more than a machine may have"
    visitor.goto(lab.consent_url())
    assert "Server at /user/eve/" in visitor.inner_text("main, .container >> nth=-1")
    visitor.get_by_role("button", name="Agree and open it").click()
    visitor.wait_for_url("**/user/eve/oauth_callback?*")
    code = visitor.evaluate("new URLSearchParams(location.search).get('code')")
    env = hub.server_env("eve")
    answer = hub.api(
        "POST",
        "oauth2/token",
        token=env["JUPYTERHUB_API_TOKEN"],
        data={
            "client_id": env["JUPYTERHUB_CLIENT_ID"],
            "client_secret": env["JUPYTERHUB_API_TOKEN"],
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": (hub.machine_url("eve") if lab.kind is Kind.OWN else "/user/eve")
            + "/oauth_callback",
        },
    )
    token = answer.json()["access_token"]
    known = hub.api("GET", "user", token=token).json()
    assert known["name"] == VISITOR
    assert not {"servers", "auth_state", "last_activity"} & set(known)
    forbidden = [
        ("GET", f"users/{VISITOR}/tokens"),
        ("POST", f"users/{VISITOR}/tokens"),
        ("DELETE", f"users/{VISITOR}/server"),
        ("POST", f"users/{VISITOR}/server"),
        ("POST", f"users/{VISITOR}/activity"),
        ("GET", "users"),
        ("GET", "users/ada"),
        ("GET", "groups"),
        ("GET", "proxy"),
        ("GET", "vmlab/board"),
        ("GET", "vmlab/courses"),
        ("POST", "vmlab/data/snapshots"),
        ("POST", f"vmlab/machines/{VISITOR}/renew"),
    ]
    for method, path in forbidden:
        answer = hub.api(method, path, token=token)
        assert answer.status_code in {403, 404} or answer.json() == [], (path, answer.text)
    tried(len(forbidden))


def test_who_logs_in_for_their_own_machine_arrives_there(lab, stranger):
    # Browsers look at all redirects that follow a form.
    stranger.goto(lab.consent_url())
    stranger.fill("#username_input", "eve")
    stranger.fill("#password_input", lab.hub.password("eve"))
    stranger.click("#login_submit")
    stranger.wait_for_url("**/user/eve/oauth_callback?code=*")


def test_no_page_of_the_hub_breaks_its_own_policy(lab, visitor):
    said: list[str] = []
    visitor.on("console", lambda message: said.append(message.text))
    for path in ("home", "token", "admin", "vmlab/data", "nothing", "logout", "login"):
        answer = visitor.goto(f"{lab.hub.base_url}/hub/{path}", wait_until="networkidle")
        policy = answer.headers["content-security-policy"]
        assert ("default-src 'self'" in policy) is lab.is_guarded, path
    lab.hub.set_faults(volumes=True, delays_s={"boot": 60})  # until it has been seen
    log_in(visitor, lab.hub, "trainer", path="/hub/spawn-pending/trainer", keep_language=True)
    visitor.click("#start")
    expect(visitor.locator("#vm-start")).to_be_visible()
    lab.hub.set_faults(volumes=True)
    visitor.wait_for_url("**/user/trainer/**")
    assert [text for text in said if "Content Security Policy" in text or "Refused" in text] == []
