"""`lab.snapshots()`: earlier states of the home folder, looked through and restored from."""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from lab.show import in_notebook
from lab.words import find_language, machine_root, phrase
from vmlab_guest.errors import AgentError
from vmlab_guest.hub import Hub, HubError
from vmlab_guest.hub_snapshots import list_snapshots, open_snapshot
from vmlab_guest.lookback import Entry, Kind, Listing, find_shown, find_snapshot, list_folder
from vmlab_guest.restore import Restored, restore
from vmlab_guest.shares.home import is_home_remote
from vmlab_guest.space import show_bytes
from vmlab_protocol.machine import HOME
from vmlab_protocol.notices import Language
from vmlab_protocol.snapshots import ListedSnapshot

_TOLD = 10  # kept files and failures that are named


def snapshots() -> None:
    """Show the earlier states of the home folder; in a notebook, also restore from them."""
    language = find_language()
    if is_home_remote(machine_root()):
        sys.stdout.write(phrase("snapshots_on_server", language) + "\n")
        return
    hub = Hub.from_env(os.environ)
    try:
        if hub is None:
            raise HubError("this machine knows no hub")
        found = list_snapshots(hub)
    except HubError as error:
        sys.stdout.write(phrase("snapshots_away", language).format(why=error) + "\n")
        return
    if in_notebook() and found:
        import ipywidgets  # noqa: PLC0415 - half a second that only a notebook needs

        SnapshotView(ipywidgets, hub, found, language)
    else:
        sys.stdout.write(make_list_text(found, language) + "\n")


def make_list_text(found: Sequence[ListedSnapshot], language: Language) -> str:
    """Return the list for a terminal."""
    if not found:
        return phrase("snapshots_none", language)
    rows = [f"  {make_label(snapshot, language)}" for snapshot in found]
    return "\n".join([phrase("snapshots", language), *rows])


def make_label(snapshot: ListedSnapshot, language: Language) -> str:
    """Return time and reason of a snapshot for people, in the machine's time zone."""
    form = "%d/%m/%Y %H:%M" if language is Language.FR else "%Y-%m-%d %H:%M"
    moment = time.localtime(snapshot.taken_s)
    known = snapshot.reason in {"hourly", "manual", "kept", "before"}
    reason = phrase(f"reason_{snapshot.reason}", language) if known else snapshot.reason
    return f"{time.strftime(form, moment)} {moment.tm_zone} · {reason}"


def make_rows(listing: Listing, language: Language) -> list[tuple[str, str]]:
    """Return what a list shows of each entry, and its name; a folder is told by a word."""
    return [(f"{_clean(e.name)} · {_describe(e, language)}", e.name) for e in listing.entries]


def make_result_html(done: Restored, language: Language) -> str:
    """Return what a restore did; all names are escaped."""
    counts = phrase("snapshot_done", language)
    parts = [f"<p>{counts.format(restored=done.restored, unchanged=done.unchanged)}</p>"]
    if done.is_full:
        parts.append(f"<p>{html.escape(phrase('snapshot_full', language))}</p>")
    failures = [f"{_clean(f.path) or '~'}: {f.why}" for f in done.failed]
    for name, lines in (("snapshot_kept", done.kept), ("snapshot_failed", failures)):
        if lines:
            more = [f"… +{len(lines) - _TOLD}"] if len(lines) > _TOLD else []
            items = [f"<li>{html.escape(_clean(x))}</li>" for x in [*lines[:_TOLD], *more]]
            parts.append(f"<p>{phrase(name, language)}</p><ul>{''.join(items)}</ul>")
    return "".join(parts)


class SnapshotView:
    """Snapshots in a notebook: one is opened, looked through, and restored from."""

    def __init__(
        self, widgets: Any, hub: Hub, found: Sequence[ListedSnapshot], language: Language
    ) -> None:
        from IPython.display import display  # noqa: PLC0415 - loaded already

        self._hub = hub
        self._language = language
        self._open_id = ""
        self._path = ""
        options = [(make_label(snapshot, language), snapshot.id) for snapshot in found]
        wide = {"width": "30em"}
        title = phrase("snapshots", language)
        self.choice = widgets.Dropdown(options=options, description="", layout=wide, tooltip=title)
        self.place = widgets.HTML("")
        self.listing = widgets.SelectMultiple(options=[], rows=12, layout={"width": "40em"})
        self.status = widgets.HTML("")
        button = widgets.Button
        self.open = button(description=phrase("snapshot_open", language))
        self.into = button(description=phrase("snapshot_into", language), disabled=True)
        self.up = button(description=phrase("snapshot_up", language), disabled=True)
        self.restore = button(description=phrase("snapshot_restore", language), disabled=True)
        self.open.on_click(lambda _: self._open())
        self.into.on_click(lambda _: self._go_into())
        self.up.on_click(lambda _: self._go(self._path.rpartition("/")[0]))
        self.restore.on_click(lambda _: self._restore())
        heading = widgets.HTML(f'<strong lang="{language}">{html.escape(title)}</strong>')
        rows = [
            heading,
            widgets.HBox([self.choice, self.open]),
            self.place,
            self.listing,
            widgets.HBox([self.into, self.up, self.restore]),
            self.status,
        ]
        bundle = widgets.VBox(rows)._repr_mimebundle_()
        bundle["text/plain"] = make_list_text(found, language)
        display(bundle, raw=True)  # type: ignore[no-untyped-call]

    def _open(self) -> None:
        self._tell("snapshot_opening")
        wanted = self.choice.value
        try:
            if find_shown(machine_root()) != wanted:
                open_snapshot(self._hub, wanted)
            find_snapshot(machine_root(), wanted)
        except (AgentError, OSError) as error:
            self._tell("snapshot_not_opened", why=str(error))
            return
        self._open_id = wanted
        if self._go(""):
            self._tell("snapshot_opened")

    def _go(self, path: str) -> bool:
        """Show a folder; return whether that was possible."""
        try:
            listing = list_folder(find_snapshot(machine_root(), self._open_id), path)
        except (AgentError, OSError) as error:
            self._tell("snapshot_not_opened", why=str(error))
            return False
        self._path = path
        self.listing.options = make_rows(listing, self._language)
        where = f"~/{_clean(path)}" + ("/" if path else "")
        cut = f" ({phrase('snapshot_cut', self._language)})" if listing.is_cut else ""
        self.place.value = f"<code>{html.escape(where)}</code>{cut}"
        self.into.disabled = self.restore.disabled = False
        self.up.disabled = not path
        return True

    def _go_into(self) -> None:
        chosen = self._chosen()
        if len(chosen) != 1:
            self._tell("snapshot_one_folder")
            return
        self._go(chosen[0])

    def _restore(self) -> None:
        chosen = self._chosen()
        if not chosen:
            self._tell("snapshot_choose")
            return
        try:
            top = find_snapshot(machine_root(), self._open_id)
        except (AgentError, OSError) as error:
            self._tell("snapshot_not_opened", why=str(error))
            return
        home = machine_root() / HOME.lstrip("/")
        done = restore(top, home, chosen, time.strftime("%Y%m%dT%H%M%S"))
        self._show(make_result_html(done, self._language))

    def _chosen(self) -> list[str]:
        return [f"{self._path}/{name}" if self._path else name for name in self.listing.value]

    def _tell(self, name: str, **words: str) -> None:
        self._show(html.escape(phrase(name, self._language).format(**words)))

    def _show(self, text: str) -> None:
        self.status.value = f'<div role="status" lang="{self._language}">{text}</div>'


def _describe(entry: Entry, language: Language) -> str:
    if entry.kind is Kind.FOLDER:
        return phrase("folder", language)
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.changed_s))
    return f"{show_bytes(entry.size_bytes)} · {day}"


def _clean(name: str) -> str:
    """Return a name for people: nothing in it is invisible or breaks the line."""
    return "".join(char if char.isprintable() else "·" for char in name)
