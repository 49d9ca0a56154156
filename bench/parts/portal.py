"""The portal with many items: one more, all of them anew, and finding some of them."""

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import processes
from bench.figures import Figure, Findings, Target, at_most, percentile, typical
from bench.loa import emptied
from bench.portal import an_item, crowded, site
from bench.sizes import Sizes
from channels.portal.http.search_app import SearchService
from channels.portal.index.index import PortalIndex
from channels.portal.model.page_sets import PageKind, PageSet
from channels.portal.model.site import ALL_SLUG
from channels.portal.render.feed import feed_of_listing
from channels.portal.render.site_files import FORMAT_WRITERS, SiteFiles, assemble_feed
from channels.portal.search.sync import SEARCH_INDEX_FILE
from channels.portal.writer.rebuild import open_rebuild
from channels.portal.writer.writer import PortalWriter, add_publication

PART = "portal"
FEW = 60
FEEDS = 200
CHUNK = 500
QUESTIONS = (
    {"q": "thủ tục hành chính"},
    {"q": "thu tuc hanh chinh"},
    {"q": "hành chính", "xep": "moi"},
    {"q": "Bộ Nội vụ thông báo danh mục"},
    {"q": "bo sung nam 2026", "tu": "2021-01-01", "den": "2022-12-31"},
    {"q": "số 99"},
    {"q": "không có từ này"},
    {"tu": "2020-01-01", "trang": "50"},
)
"""Words that most items have, words that hardly any has, and what narrows them."""
CROWDED = (
    *QUESTIONS,
    {"q": "Nội vụ Bộ thông danh báo mục"},
    {"q": "sung đổi sửa bổ năm chính hành tục thủ mục danh được"},
    {"q": "chinh hanh"},
)
"""The same, and words that every item has, in an order that none has."""
WORST = "search where every word stands in each"
MIB = 1 << 20


def measure(sizes: Sizes) -> Findings:
    """The same portal is made small and large; what one more item costs must not differ."""
    files, folder = SiteFiles(site()), emptied(f"{PART}-few")
    few = Portal(folder, files, FEW)
    times = 5 * sizes.repetitions
    shown = [few.show_ms() for _ in range(times)]
    many = Portal(emptied(f"{PART}-many"), files, sizes.items)
    later = [many.show_ms() for _ in range(times)]
    slower = [median(later) / median(shown)]
    asked = searched_ms(many.folder / "state" / SEARCH_INDEX_FILE, QUESTIONS, times)
    for portal in (few, many):
        portal.close()
    worst = crowded_ms(sizes.items, times)
    figures = [
        line("a feed of 50 out of kept fragments", "ms", feeds_ms(files), at_most(0.1)),
        line("a feed of 49 kept items + 1 new, which is rendered", "ms", updated_ms(times)),
        line(f"one more item beside {FEW}: all its files, synced", "ms", shown),
        line(f"one more item beside {sizes.items:,}", "ms", later),
        line(f"one more item: beside {sizes.items:,} ÷ beside {FEW}", "x", slower, at_most(3)),
        line("the whole portal anew, items", "/s", [sizes.items / many.rebuild_s]),
        line("memory for that", "MB", [(many.peak - few.peak) / MIB]),
        percentile(PART, f"search among {sizes.items:,}, whole page", "ms", asked, 95, at_most(50)),
        percentile(PART, f"{WORST} of {sizes.items:,}", "ms", worst, 95, at_most(50)),
    ]
    runs = {"rebuild_s": many.rebuild_s, "shown_ms": [shown, later], "search_ms": [asked, worst]}
    return Findings(figures, [{"part": PART, **runs}])


def line(name: str, unit: str, found: list[float], target: Target | None = None) -> Figure:
    return typical(PART, name, unit, found, target)


class Portal:
    """One that was rebuilt with so many items, and goes on."""

    def __init__(self, folder: Path, files: SiteFiles, count: int) -> None:
        self.folder, self.count = folder, count
        processes.forget_peak(os.getpid())
        began = time.monotonic()
        with open_rebuild(folder, files, 5.0) as rebuild:
            for first in range(0, count, CHUNK):
                rebuild.add_publications(map(an_item, range(first, min(first + CHUNK, count))))
            rebuild.finish()
        self.rebuild_s = time.monotonic() - began
        self.peak = processes.peak_bytes(os.getpid())
        self.writer = PortalWriter(folder, files, lock_timeout_s=5.0)
        self.writer.prepare()

    def show_ms(self) -> float:
        """The next item, until every page and feed that names it lies on the disk."""
        self.count += 1
        item, began = an_item(self.count), time.perf_counter()
        outcome = self.writer.show(item, lambda: False)
        took_ms = (time.perf_counter() - began) * 1000
        if outcome.reason:
            raise RuntimeError(outcome.reason)
        return took_ms

    def close(self) -> None:
        self.writer.close()
        shutil.rmtree(self.folder)


def feeds_ms(files: SiteFiles) -> list[float]:
    """Frame and 50 entries put together, in each of the formats."""
    rows = [files.to_stored_item(an_item(number)) for number in range(50)]
    kept, feed = [files.fragments(row) for row in rows], feed_of_listing(ALL_SLUG, files.site)
    found = []
    for kind in FORMAT_WRITERS:
        entries = [getattr(one, kind) for one in kept]
        began = time.perf_counter()
        for _ in range(FEEDS):
            assemble_feed(kind, feed, entries)
        found.append((time.perf_counter() - began) / FEEDS * 1000)
    return found


def updated_ms(times: int) -> list[float]:
    """One more item is rendered and taken in, and the feed put together, all its three formats.

    The 49 others come out of the index.
    """
    index, files = PortalIndex(emptied(f"{PART}-feed") / "index.sqlite"), SiteFiles(site())
    try:
        index.create_tables()
        take(index, files, range(49))
        return [one_update_ms(index, files, 49 + number) for number in range(times)]
    finally:
        index.close()


def one_update_ms(index: PortalIndex, files: SiteFiles, number: int) -> float:
    item, began = an_item(number), time.perf_counter()
    take(index, files, [number])
    pages = list(files.page_set_files(PageSet(PageKind.FEED, ALL_SLUG), index))
    took_ms = (time.perf_counter() - began) * 1000
    if not all(body and item.content_id.encode() in body for _, body in pages):
        raise RuntimeError(f"{item.content_id} is not in its feed")
    return took_ms


def take(index: PortalIndex, files: SiteFiles, numbers: Iterable[int]) -> None:
    with index.transaction():
        for number in numbers:
            add_publication(index, files, an_item(number))


def crowded_ms(count: int, times: int) -> list[float]:
    folder = emptied(f"{PART}-crowded")
    try:
        return searched_ms(crowded(folder / SEARCH_INDEX_FILE, count), CROWDED, times)
    finally:
        shutil.rmtree(folder)


def searched_ms(path: Path, questions: Sequence[Mapping[str, str]], times: int) -> list[float]:
    """Question and whole page, without HTTP; every question as often."""
    desk = SearchService(path, site())
    return [answer_ms(desk, asked) for _ in range(times) for asked in questions]


def answer_ms(desk: SearchService, asked: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    status = desk.respond(asked).status_code
    took_ms = (time.perf_counter() - began) * 1000
    if status != 200:
        raise RuntimeError(f"{status} for {asked}")
    return took_ms
