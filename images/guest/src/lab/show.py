"""Showing a result: an ipywidget in a notebook, plain text everywhere else."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lab.exercise import Exercise
from lab.outcome import Outcome
from lab.words import find_language, phrase
from vmlab_protocol.notices import Language

RESULT_MIME = "application/vnd.vmlab.result+json"
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Shown:
    """What is shown of one check."""

    step: str
    outcome: Outcome
    exercise: Exercise | None = None
    counts: bool = False


class Card(Protocol):
    """A result that is being shown."""

    def update(self, shown: Shown) -> None:
        """Show another result in its place."""
        ...

    def tell_not_recorded(self) -> None:
        """Add, quietly, that the hub did not get the result; from any thread."""
        ...


def make_text(shown: Shown, language: Language) -> str:
    """Return the result as plain text: symbol and word first, then the hint."""
    symbol = "✓" if shown.outcome.passed else "✗"
    word = phrase("passed" if shown.outcome.passed else "failed", language)
    remark = _remark(shown.outcome, language)
    head = f"{symbol} {word} ({phrase('step', language).lower()} {shown.step})"
    return phrase("remarked", language).format(head=head, remark=remark) if remark else head


def make_html(shown: Shown, language: Language) -> str:
    """Return the result as an HTML card; all text from elsewhere is escaped.

    Colour only repeats what symbol and word say; it comes from JupyterLab's theme, light or dark.
    """
    ok = shown.outcome.passed
    colour = "var(--jp-success-color1, #2e7d32)" if ok else "var(--jp-warn-color1, #b45309)"
    word = phrase("passed" if ok else "failed", language)
    remark = _CODE.sub(r"<code>\1</code>", html.escape(_remark(shown.outcome, language)))
    return (
        f'<div role="status" lang="{language}" style="border-left: 6px solid {colour}; '
        "padding: 0.4em 0.8em; margin: 0.3em 0; line-height: 1.5; "
        'color: var(--jp-ui-font-color1, inherit)">'
        f'<strong><span aria-hidden="true">{"✓" if ok else "✗"}</span> {word}</strong> '
        f'<span style="color: var(--jp-ui-font-color2, inherit)">{phrase("step", language)} '
        f"<code>{html.escape(shown.step)}</code></span>"
        f"{f'<div>{remark}</div>' if remark else ''}</div>"
    )


def make_card(shown: Shown, language: Language) -> str:
    """Return the result in all languages, of which one is shown.

    JupyterLab in a machine shows another one when its reader switches (labextension, language.js).
    """
    texts = (
        f'<div lang="{each}"{"" if each is language else " hidden"}>{make_html(shown, each)}</div>'
        for each in Language
    )
    return f'<div class="vmlab-texts">{"".join(texts)}</div>'


def make_data(shown: Shown, language: Language) -> dict[str, object]:
    """Return the result for programs, such as tests that play a notebook."""
    return {
        "course": shown.exercise.course if shown.exercise else "",
        "exercise": shown.exercise.folder if shown.exercise else "",
        "step": shown.step,
        "passed": shown.outcome.passed,
        "message": _remark(shown.outcome, language),
    }


def show(shown: Shown, again: Callable[[Card], None] | None = None) -> Card:
    """Show a result where the trainee is.

    Args:
        again: called with the card by a button that asks for another look at the machine.
    """
    language = find_language()
    if in_notebook():
        try:
            import ipywidgets  # noqa: PLC0415 - half a second that only a notebook needs
        except ImportError:
            return TextCard(shown, language)
        return WidgetCard(ipywidgets, shown, language, again)
    return TextCard(shown, language)


def in_notebook() -> bool:
    """Return whether this Python is a Jupyter kernel."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # noqa: PLC0415 - loaded already

    return hasattr(get_ipython(), "kernel")


class TextCard:
    """A result printed in a terminal."""

    def __init__(self, shown: Shown, language: Language) -> None:
        self._language = language
        self.update(shown)

    def update(self, shown: Shown) -> None:
        """See `Card`."""
        sys.stdout.write(make_text(shown, self._language) + "\n")

    def tell_not_recorded(self) -> None:
        """See `Card`."""
        sys.stdout.write(phrase("not_recorded", self._language) + "\n")


class WidgetCard:
    """A result in a notebook."""

    def __init__(
        self,
        widgets: Any,
        shown: Shown,
        language: Language,
        again: Callable[[Card], None] | None,
    ) -> None:
        from IPython.display import display  # noqa: PLC0415 - loaded already

        self._language = language
        self._result = widgets.HTML(make_card(shown, language))
        self._note = widgets.HTML("")
        parts = [self._result, self._note]
        self._again = widgets.Button(description=phrase("again", language))
        if again is not None:
            self._again.on_click(lambda _: again(self))
            parts.append(self._again)
        self._box = widgets.VBox(parts)
        bundle = self._box._repr_mimebundle_()
        # Where no widget can be shown (a printed notebook, another front end) the text stands.
        bundle["text/plain"] = make_text(shown, language)
        bundle[RESULT_MIME] = make_data(shown, language)
        display(bundle, raw=True)  # type: ignore[no-untyped-call]

    def update(self, shown: Shown) -> None:
        """See `Card`; in the language of now."""
        self._language = find_language()
        self._again.description = phrase("again", self._language)
        self._note.value = ""
        self._result.value = make_card(shown, self._language)

    def tell_not_recorded(self) -> None:
        """See `Card`."""
        text = html.escape(phrase("not_recorded", self._language))
        self._note.value = f'<small role="status" lang="{self._language}">{text}</small>'


def _remark(outcome: Outcome, language: Language) -> str:
    return outcome.fr if language is Language.FR else outcome.en
