"""The quick set: every point a few times, dealt to two test files that run side by side."""

from tests.crash.deck import POINTS, Hand, deal

FILES, TIMES = 2, 2


def hands(file: int) -> list[Hand]:
    """The folders of one of the files; both together reach every point TIMES times."""
    dealt = deal(TIMES * len(POINTS), "quick")
    return dealt[file::FILES]
