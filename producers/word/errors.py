"""Refusal of a document."""


class DocumentRefused(Exception):
    """A document that is not converted; *code* names the text in `texts.toml`."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts
