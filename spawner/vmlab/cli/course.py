"""`vmlab course`: publish courses and see who has them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vmlab.cli.common import JsonOption, out, plain, print_json
from vmlab.courses.client import HubAccess, find_access, list_courses, list_receipts, publish
from vmlab.paths import default_paths

app = typer.Typer(no_args_is_help=True)

HubOption = Annotated[
    str, typer.Option("--hub", help="The hub's address; the one of `vmlab up`.", metavar="URL")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="A file that holds a trainer's token.", metavar="FILE"),
]


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="The folder of one course.", metavar="DIR")],
    hub: HubOption = "",
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Publish a course: every running and later started machine gets it within seconds."""
    result = publish(_access(hub, token_file), folder)
    if json:
        print_json(result)
        return
    what = "unchanged since" if result["unchanged"] else "published as"
    out().print(plain(f"{result['name']}: {what} version {result['version']}"))


@app.command("list")
def list_(hub: HubOption = "", token_file: TokenOption = None, json: JsonOption = False) -> None:
    """List published courses."""
    courses = list_courses(_access(hub, token_file))
    if json:
        print_json({"courses": courses})
        return
    if not courses:
        out().print("No course is published. Publish one: vmlab course push DIR")
        return
    table = Table("course", "version", "title", "titre", "digest")
    for course in courses:
        title = course["title"]
        cells = (course["name"], str(course["version"]), title["en"], title["fr"])
        table.add_row(*(plain(cell) for cell in cells), plain(course["digest"][:12]))
    out().print(table)


@app.command()
def status(
    name: Annotated[str, typer.Argument(help="A course; all when left out.")] = "",
    hub: HubOption = "",
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which machine has which version, and which edited files were kept."""
    access = _access(hub, token_file)
    # Asked for by name even if it is not in the list: the hub's answer then names the mistake.
    courses = [c for c in list_courses(access) if not name or c["name"] == name]
    names = [name] if name else [c["name"] for c in courses]
    newest = {c["name"]: c["version"] for c in courses}
    receipts = {course: list_receipts(access, course) for course in names}
    if json:
        facts = [
            {"name": course, "version": newest.get(course), "receipts": receipts[course]}
            for course in names
        ]
        print_json({"courses": facts})
        return
    if not names:
        out().print("No course is published. Publish one: vmlab course push DIR")
    for course in names:
        out().print(_status_table(course, newest.get(course), receipts[course]))


def _status_table(course: str, newest: int | None, receipts: list[dict[str, Any]]) -> Table:
    table = Table(
        "trainee",
        "version",
        "delivered",
        "kept because edited",
        title=f"{course}, newest version {newest}",
        caption="" if receipts else "No machine has taken it yet.",
    )
    for receipt in receipts:
        version = str(receipt["version"])
        old = " (old)" if newest is not None and receipt["version"] < newest else ""
        who = f"{receipt['user']}/{receipt['server']}" if receipt["server"] else receipt["user"]
        at = datetime.fromtimestamp(receipt["at"]).astimezone()
        kept = ", ".join(receipt["kept"])
        cells = (who, version + old, f"{at:%Y-%m-%d %H:%M}", kept)
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _access(hub: str, token_file: Path | None) -> HubAccess:
    return find_access(default_paths(), hub, token_file)
