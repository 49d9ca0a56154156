"""Refusals of HTML that would cost too much to convert."""


class TooNested(Exception):
    """Elements lie within more elements than any text needs."""


class TableTooLarge(Exception):
    """A table has more columns or cells than a page can show."""
