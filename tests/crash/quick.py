"""The quick set: every point once, dealt to two test files that run side by side."""

from math import ceil

from tests.crash.deck import POINTS, Hand, deal

FILES, FOLDERS = 2, 4


def hands(file: int) -> list[Hand]:
    """The folders of one of the files; both together reach every point."""
    births = FOLDERS
    dealt = deal(len(POINTS) + births, "quick", size=ceil(len(POINTS) / FOLDERS))
    return dealt[file::FILES]
