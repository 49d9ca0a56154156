"""The `loa` command: one small file per noun."""

import gc

_NEW_OBJECTS = 50_000
"""New objects before a collection of garbage: with Python's 700, imports are a tenth slower."""


def main() -> None:
    """Complete a word for a shell, or run a command: answers on stdout, errors on stderr."""
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
    # Imports here: a shell that completes a word waits for no library.
    from consumers.cli.word_completion import print_completions

    if print_completions():
        return
    from consumers.cli.root import run

    run()
