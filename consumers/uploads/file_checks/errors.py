"""Refusal of a file."""


class FileRefused(Exception):
    """A file that is not kept; *code* names the text in `texts.toml`."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts
