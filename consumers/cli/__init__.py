"""The `loa` command: one small file per noun."""


def main() -> None:
    """Complete a word for a shell, or run a command: answers on stdout, errors on stderr."""
    # Imports here: a shell that completes a word waits for no library.
    from consumers.cli.word_completion import print_completions

    if print_completions():
        return
    from consumers.cli.root import run

    run()
