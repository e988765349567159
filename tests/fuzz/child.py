"""The process in which one target is tried: `python -m fuzz.child MODULE TARGET [libFuzzer's]`.

atheris finds which inputs reach new lines; a crash, a hang or too much memory ends the process, and
libFuzzer writes the input.
"""

from __future__ import annotations

import random
import resource
import sys
import warnings

import atheris

_MOST_BYTES = 2 * 2**30
PRODUCT = ["vmlab", "vmlab_guest", "lab", "narval", "tomllib", "tarfile", "shlex"]


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's limits are reached."""
    module, name, *options = arguments
    # libFuzzer looks at the memory once a second; what is asked for at once ends here.
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    warnings.simplefilter("ignore")  # of Python that is parsed, not run
    with atheris.instrument_imports(include=PRODUCT, enable_loader_override=False):
        from fuzz.odd_tokens import replace_token
        from fuzz.target import targets_of

        found = targets_of(module)[name]

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        if found.is_text and random.Random(seed).random() < 0.5:
            return replace_token(data, seed, most_bytes)
        return atheris.Mutate(data, most_bytes)

    def run(data: bytes) -> None:
        found.run(data)

    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
