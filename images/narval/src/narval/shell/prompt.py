"""The prompt of narval_shell, with history and completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory

from narval.config import config_folder
from narval.console import complain, say
from narval.errors import NarvalError
from narval.shell.client import Reply, ShellClient
from narval.shell.completion import complete
from narval.shell.lines import split_commands

HISTORY_FILE = "shell_history"


class ShellCompleter(Completer):
    """Completes by the grammar, and by the names that the server knows."""

    def __init__(self, client: ShellClient) -> None:
        self._client = client

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
        """Yield what the last word may become; prompt_toolkit calls it."""
        begun = document.get_word_before_cursor(WORD=True)
        for word in complete(document.text_before_cursor, self._names):
            yield Completion(word, start_position=-len(begun))

    def _names(self, wanted: str, before: Sequence[str]) -> Sequence[str]:
        line, element = {
            "SUB_SYSTEM_NAME": ("get sub_systems", "sub_system"),
            "ACTOR_NAME": (f"get actors {before[-1]}", "actor"),
        }.get(wanted, ("", ""))
        if not line:
            return []
        try:
            reply = self._client.ask(line)
        except NarvalError:
            return []  # the command itself will tell what is wrong
        return reply.texts(element) if reply is not None and reply.is_ok else []


def run_prompt(client: ShellClient, show: Callable[[Reply], None]) -> int:
    """Ask for commands and show their answers until the user leaves; return the exit code."""
    session: PromptSession[str] = PromptSession(
        "narval> ",
        history=FileHistory(str(config_folder() / HISTORY_FILE)),
        auto_suggest=AutoSuggestFromHistory(),
        completer=ShellCompleter(client),
        complete_in_thread=True,
        complete_while_typing=False,  # the server is asked at Tab, not at each key
    )
    say(f"shell server {client.server}; help shows the commands, Tab completes, exit leaves")
    while True:
        try:
            line = session.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if line == "exit":
            return 0
        try:
            for command in split_commands(line):
                reply = client.ask(command)
                if reply is not None:
                    show(reply)
                if reply is not None and not reply.is_ok:
                    break
        except NarvalError as error:
            complain("narval_shell", error)
