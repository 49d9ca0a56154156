"""Losses of a text on its way to Markdown, counted by kind."""

from collections import Counter
from enum import StrEnum


class Loss(StrEnum):
    """Kinds of what the contract's Markdown cannot say."""

    UNDERLINE = "underline"
    STRIKETHROUGH = "strikethrough"
    RAISED_TEXT = "raised_text"
    """Superscripts and subscripts other than digits, whose words stay."""
    MERGED_CELL = "merged_cell"
    CELL_PARAGRAPHS = "cell_paragraphs"
    CELL_LIST = "cell_list"
    NESTED_TABLE = "nested_table"
    IMAGE = "image"
    LINK = "link"
    """Links to scripts, to files and within the document, whose words stay."""
    HIDDEN_TEXT = "hidden_text"
    EQUATION = "equation"
    CHART = "chart"
    EMBEDDED_OBJECT = "embedded_object"
    SYMBOL = "symbol"
    """Characters of symbol fonts that stand for none of Unicode."""


Losses = Counter[Loss]
