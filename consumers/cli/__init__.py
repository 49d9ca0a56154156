"""The `loa` command: one small file per noun."""


def main() -> None:
    """Answers on stdout, errors on stderr."""
    from consumers.cli.root import run  # later: a shell that completes a word waits for no library

    run()
