"""The page SSH: keys are added and deleted, lines to paste, a token."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from browser.barriers import find_barriers
from browser.conftest import shot, visit
from ssh.conftest import running_ssh_hub
from vmlab.names import machine_name
from vmlab.providers.agent.identity import make_key_pair

pytestmark = pytest.mark.browser

KEY = make_key_pair("somebody@home")[1]


@pytest.fixture(scope="module")
def hub(processes):
    with running_ssh_hub(processes) as running:
        yield running


def elsewhere(function, *arguments):
    """Call what waits for something in a thread of its own: Playwright's event loop is here."""
    with ThreadPoolExecutor() as executor:
        return executor.submit(function, *arguments).result()


def test_who_never_started_finds_all_lines(hub, new_page):
    page = new_page(locale="fr-FR")
    visit(page, hub, "ada")
    page.get_by_role("link", name="SSH : depuis votre propre ordinateur").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("SSH")
    expect(page.locator("details[data-system=unix] code")).to_have_count(3)
    expect(page.locator("main")).to_contain_text("Vous n'avez pas encore de clé ici.")
    shot(page, "ssh-new-fr")


def test_a_key_is_added_and_deleted(hub, new_page):
    elsewhere(hub.start_server, "bob")
    page = new_page()
    visit(page, hub, "bob", path="/hub/vmlab/ssh")
    page.get_by_label("Public key").fill("-----BEGIN OPENSSH PRIVATE KEY-----")
    page.get_by_role("button", name="Add this key").click()
    expect(page.locator("#vm-ssh-refusal")).to_contain_text("must never leave your computer")
    shot(page, "ssh-refused")
    page.get_by_label("Public key").fill(KEY)
    page.get_by_role("button", name="Add this key").press("Enter")
    expect(page.locator("#vm-ssh-status")).to_have_text(re.compile("at once"))
    row = page.locator("#vm-ssh-keys tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("SHA256:")
    expect(row).to_contain_text("never")
    shot(page, "ssh-en")
    row.get_by_role("button").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("your open SSH connections are closed")
    shot(page, "ssh-delete")
    page.keyboard.press("Escape")
    expect(row).to_have_count(1)
    row.get_by_role("button").click()
    dialog.get_by_role("button", name="Delete this key").click()
    expect(row).to_have_count(0)
    expect(page.locator("#vm-ssh-status")).to_have_text("The key is deleted.")


def test_the_lines_are_those_of_ones_own_system(hub, new_page):
    elsewhere(hub.start_server, "eve")
    page = new_page()
    visit(page, hub, "eve", path="/hub/vmlab/ssh")
    lines = page.locator("details[data-system=unix] code").all_text_contents()
    assert [line.split()[0] for line in lines] == ["curl", "python3", "ssh"]
    assert " eve vmlab-hub:ssh-ed25519:" in lines[1]
    assert f" desk={machine_name('eve')}:ssh-ed25519:" in lines[1]
    windows = page.locator("details[data-system=windows]")
    expect(windows.locator("code").first).to_be_hidden()
    windows.locator("summary").click()
    expect(windows.locator("code").first).to_contain_text("curl.exe")
    expect(page.locator("main")).to_contain_text(f"ssh://vmlab.localhost:{hub.ssh_port}")


def test_a_token_is_made_for_ssh_only(hub, new_page):
    page = new_page()
    visit(page, hub, "eve", path="/hub/vmlab/ssh")
    page.locator("#vm-ssh-more summary").click()
    page.get_by_role("button", name="Make a token for 30 days").click()
    code = page.locator("#vm-ssh-new-token code")
    expect(code).to_have_text(re.compile("^[0-9a-zA-Z]{20,}$"))
    token = code.text_content()
    told = elsewhere(lambda: hub.api("GET", "user", token=token).json())
    assert set(told["scopes"]) >= {"access:servers!user=eve", "read:users:name!user=eve"}
    assert not {"delete:servers!user=eve", "tokens!user=eve"} & set(told["scopes"])


def test_there_is_no_barrier(hub, new_page):
    token = hub.user_token("kim")
    hub.api("POST", "vmlab/ssh/keys", token=token, json={"key": KEY}).raise_for_status()
    page = new_page(viewport={"width": 1280, "height": 900})
    visit(page, hub, "kim", path="/hub/vmlab/ssh")
    page.locator("#vm-ssh-more summary").click()
    page.locator("details[data-system=windows] summary").click()
    expect(page.locator("#vm-ssh-keys tbody tr")).to_have_count(1)
    assert "\n".join(find_barriers(page)) == ""
    shot(page, "barriers-ssh")
