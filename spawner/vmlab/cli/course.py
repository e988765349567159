"""`vmlab course`: publish courses, withdraw them, and see who has them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vmlab.cli.common import JsonOption, make_table, out, plain, print_json, print_table
from vmlab.cli.course_tables import print_review, print_status
from vmlab.courses.package import make_package
from vmlab.courses.review import Review
from vmlab.errors import CourseError
from vmlab.hub.access import HubAccess, find_access
from vmlab.hub.course_calls import list_courses, list_receipts, publish, remove_course
from vmlab.paths import default_paths

app = typer.Typer(no_args_is_help=True)

HubOption = Annotated[
    str, typer.Option("--hub", help="The hub's address; the one of `vmlab up`.", metavar="URL")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="A file that holds a trainer's token.", metavar="FILE"),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_NOTHING = "No course is published. Publish one: vmlab course push DIR"


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="The folder of one course.", metavar="DIR")],
    hub: HubOption = "",
    token_file: TokenOption = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Publish a course: every running and later started machine gets it within seconds."""
    access, package = _access(hub, token_file), make_package(folder)
    if not json:
        print_review(package.review)
    if package.review.doubts and not yes:
        _ask_about(folder, package.review)
    result = publish(access, package)
    if json:
        print_json({**result, "files": asdict(package.review)})
        return
    what = "unchanged since" if result["unchanged"] else "published as"
    out().print(plain(f"{result['name']}: {what} version {result['version']}"))


def _ask_about(folder: Path, review: Review) -> None:
    """Ask whether to go on.

    Raises:
        CourseError: there is nobody to ask.
    """
    if sys.stdin.isatty():
        typer.confirm("Publish anyway?", abort=True)
        return
    first = review.doubts[0]
    more = f" (and {len(review.doubts) - 1} more)" if len(review.doubts) > 1 else ""
    raise CourseError(
        f"not published: {folder / first.path}: {first.words}{more}",
        hint="rename or remove the file, or add --yes if it is right",
    )


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The course.", metavar="NAME")],
    drop_progress: Annotated[
        bool, typer.Option("--drop-progress", help="Forget the trainees' progress, too.")
    ] = False,
    hub: HubOption = "",
    token_file: TokenOption = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Withdraw a course, and remove from every machine those of its files that nobody edited."""
    access = _access(hub, token_file)
    machines = len(list_receipts(access, name)["receipts"])  # refused by the hub if there is none
    if not yes:
        if not sys.stdin.isatty():
            raise CourseError(
                f"{name} was not withdrawn", hint="add --yes: there is no terminal to ask on"
            )
        lost = ", and forget their progress" if drop_progress else ""
        whose = "one trainee" if machines == 1 else f"{machines} trainees"
        typer.confirm(f"Withdraw {plain(name).plain} from {whose}{lost}?", abort=True)
    result = remove_course(access, name, drop_progress=drop_progress)
    if json:
        print_json(result)
        return
    progress = "is forgotten" if drop_progress else "is kept"
    words = (
        f"{result['name']}: withdrawn (version {result['version']}). Machines remove its files "
        f"within seconds, or at their next start if they are off; what trainees have edited stays. "
        f"Their progress {progress}."
    )
    out().print(plain(words, most=1000))
    out().print("To publish it again: vmlab course push DIR")


@app.command("list")
def list_(hub: HubOption = "", token_file: TokenOption = None, json: JsonOption = False) -> None:
    """List published courses."""
    listed = list_courses(_access(hub, token_file))
    courses = listed["courses"]
    if json:
        print_json({"courses": courses, "removed": listed["removed"]})
        return
    if not courses:
        out().print(_NOTHING)
        return
    table = make_table("course", "version", "title", "titre", "digest", free=("title", "titre"))
    for course in courses:
        title = course["title"]
        cells = (course["name"], str(course["version"]), title["en"], title["fr"])
        table.add_row(*(plain(cell) for cell in cells), plain(course["digest"][:12]))
    print_table(table)


@app.command()
def status(
    name: Annotated[str, typer.Argument(help="A course; all when left out.")] = "",
    hub: HubOption = "",
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show which machine has which version, what was kept or refused, and which files are where."""
    access = _access(hub, token_file)
    # Asked for by name even if it is not in the list: the hub's answer then names the mistake.
    names = [name] if name else [c["name"] for c in list_courses(access)["courses"]]
    found = {course: list_receipts(access, course) for course in names}
    if json:
        print_json({"courses": [{"name": course, **facts} for course, facts in found.items()]})
        return
    if not names:
        out().print(_NOTHING)
    for course, facts in found.items():
        print_status(course, facts)


def _access(hub: str, token_file: Path | None) -> HubAccess:
    return find_access(default_paths(), hub, token_file)
