"""From the files of a course folder to a `Course`, naming every mistake. Pure."""

from __future__ import annotations

import ast
import warnings

from vmlab.courses.model import Course, CourseFiles, Exercise, Step, Title
from vmlab.courses.notebooks import notebook_mistakes
from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import (
    MAX_BYTES,
    Mistake,
    Table,
    TomlFile,
    mistakes_error,
    parse_toml,
)
from vmlab_protocol.courses import FOLDER_PATTERN, NAME_PATTERN

MAX_EXERCISES = 100
MAX_STEPS = 50
MAX_CHECKS_BYTES = 64 * 1024
"""Parsed by Python, a program takes a thousand times its size; meanwhile the hub does nothing
else."""

_NAME_WORDS = "a lower-case letter, then lower-case letters, digits and '-', at most 40"
_FOLDER_WORDS = "lower-case letters, digits and '-', for instance '01-who-am-i'"


def parse_course(files: CourseFiles, origin: str) -> Course:
    """Check a course and return what its course.toml says.

    Args:
        files: the folder's content; solutions may be missing.
        origin: what messages call the folder.

    Raises:
        ConfigError: there is a mistake; names file, line and what is allowed.
    """
    where = f"{origin}/course.toml"
    content = files.get("course.toml")
    if content is None:
        raise ConfigError(f"{origin}: course.toml is missing")
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{where} is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise ConfigError(f"{where}:{line}: not UTF-8 text", hint="save it as UTF-8") from e
    file = parse_toml(text, where)
    course = _read_course(file, files)
    file.finish(hint="docs/protocols.md, section 3, shows a whole course.toml")
    mistakes = _file_mistakes(course, files, origin)
    if mistakes:
        raise mistakes_error(origin, mistakes)
    return course


def _read_course(file: TomlFile, files: CourseFiles) -> Course:
    root = file.root()
    head = root.table("course", required=True)
    name = head.text("name", pattern=NAME_PATTERN, allowed=_NAME_WORDS)
    title = _read_title(head)
    tables = root.tables("exercise")
    if not tables:
        root.mistake("exercise", "a course needs at least one [[exercise]]")
    if len(tables) > MAX_EXERCISES:
        root.mistake("exercise", f"{len(tables)} exercises; at most {MAX_EXERCISES} are allowed")
    exercises: list[Exercise] = []
    for table in tables:
        exercise = _read_exercise(table)
        if exercise.folder and exercise.folder in {e.folder for e in exercises}:
            table.mistake("folder", f"{exercise.folder!r} is there twice")
        elif exercise.folder:
            for needed in ("exercise.ipynb", "checks.py"):
                if f"{exercise.folder}/{needed}" not in files:
                    table.mistake("folder", f"the file {exercise.folder}/{needed} is missing")
        exercises.append(exercise)
    return Course(name, title, tuple(exercises))


def _read_exercise(table: Table) -> Exercise:
    folder = table.text("folder", pattern=FOLDER_PATTERN, allowed=_FOLDER_WORDS)
    title = _read_title(table)
    tables = table.tables("step")
    if not tables:
        table.mistake("step", "an exercise needs at least one [[exercise.step]]")
    if len(tables) > MAX_STEPS:
        table.mistake("step", f"{len(tables)} steps; at most {MAX_STEPS} are allowed")
    steps: list[Step] = []
    for step_table in tables:
        name = step_table.text("name", pattern=NAME_PATTERN, allowed=_NAME_WORDS)
        if name and name in {s.name for s in steps}:
            step_table.mistake("name", f"{name!r} is there twice in this exercise")
        steps.append(Step(name, _read_title(step_table)))
    return Exercise(folder, title, tuple(steps))


def _read_title(table: Table) -> Title:
    titles = table.table("title", required=True)
    if not table.has("title"):
        # One mistake is enough: if the table is missing, do not report its two languages as well.
        titles.raw("en"), titles.raw("fr")
        return Title("", "")
    words = "one line of text"
    pattern = r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*"
    return Title(
        en=titles.text("en", pattern=pattern, allowed=words, max_length=200),
        fr=titles.text("fr", pattern=pattern, allowed=words, max_length=200),
    )


def _file_mistakes(course: Course, files: CourseFiles, origin: str) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for path in sorted(files):
        if path.endswith(".ipynb"):
            mistakes += notebook_mistakes(f"{origin}/{path}", files[path])
    for exercise in course.exercises:
        path = f"{exercise.folder}/checks.py"
        mistakes += _checks_mistakes(f"{origin}/{path}", files[path], exercise)
    return mistakes


def _checks_mistakes(where: str, content: bytes, exercise: Exercise) -> list[Mistake]:
    """Check that checks.py is Python and that each step's name is carried by something in it."""
    if len(content) > MAX_CHECKS_BYTES:
        return [Mistake(where, 1, f"checks have at most {MAX_CHECKS_BYTES >> 10} KiB")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a course's odd escape sequence is not our concern
            tree = ast.parse(content)
    except SyntaxError as e:
        return [Mistake(where, e.lineno or 1, f"not valid Python: {e.msg}")]
    except (ValueError, RecursionError, MemoryError) as e:
        return [Mistake(where, 1, f"not valid Python: {e}")]
    carried = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            carried.add(node.name.replace("_", "-"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            carried.add(node.value)
    return [
        Mistake(where, 1, f"no check for step {step.name!r}: no function carries that name")
        for step in exercise.steps
        if step.name not in carried
    ]
