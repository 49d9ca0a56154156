"""One more item costs what it costs in a small portal: files, bytes, and steps of SQLite."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from channels.portal.index.index import PortalIndex
from channels.portal.index.listings import PART_LIMITS
from channels.portal.model.page_sets import PageKind
from channels.portal.writer.writer import add_unrendered
from tests.support.portal_dir import never_expired, new_writer, rebuild, site_files
from tests.support.publications import numbered_publication

MONTH = datetime(2026, 3, 1, tzinfo=UTC)
STEP = 10


def item(number, at):
    return numbered_publication(number, first_released_at=at, released_at=at)


class Steps:
    """Steps of SQLite's machine on the connection of *index*."""

    def __init__(self, index):
        self.count = 0
        index._db.set_progress_handler(self.add, STEP)

    def add(self):
        self.count += STEP


def stored_beside(folder, count):
    """Steps and page sets of one more item, the newest of a month with *count* others."""
    files = site_files()
    with closing(PortalIndex(folder / f"{count}.sqlite")) as index:
        index.create_tables()
        with index.transaction():
            for number in range(count):
                add_unrendered(index, files, item(number, MONTH + timedelta(minutes=number)))
            newest = item(count, MONTH + timedelta(days=20))
            slugs, steps = files.site.listing_slugs(newest), Steps(index)
            touched = index.put_item(newest, files.to_stored_item(newest), slugs)
    return steps.count, len(touched)


def test_in_a_full_month_its_place_is_found_in_as_many_steps(tmp_path):
    few, many = stored_beside(tmp_path, 110), stored_beside(tmp_path, 3010)
    assert many[1] == few[1]
    assert many[0] < 1.2 * few[0]


def spread(count):
    """*count* times, twenty in each month."""
    begin = MONTH - timedelta(days=365 * 6)
    return [begin + timedelta(days=31 * (n // 20), hours=n % 20) for n in range(count)]


def shown_beside(folder, times, staged):
    """Steps, files and bytes of one more item, the last of *times*, beside the others."""
    count = len(times) - 1
    rebuild(folder, [item(number, at) for number, at in enumerate(times[:-1])])
    with closing(new_writer(folder)) as writer:
        with writer._locked_index() as index:
            steps = Steps(index)
        staged.clear()
        writer.show(item(count, times[-1]), never_expired)
    return steps.count, len(staged), sum(size for _, size in staged)


def test_beside_ten_times_as_many_items_it_writes_as_many_files(tmp_path, staged):
    few = shown_beside(tmp_path / "few", spread(66), staged)
    many = shown_beside(tmp_path / "many", spread(646), staged)
    assert many[1] == few[1]
    assert many[0] < 2 * few[0]


def test_in_a_month_with_ten_times_as_many_items_it_writes_as_many_bytes(
    tmp_path, staged, monkeypatch
):
    monkeypatch.setitem(PART_LIMITS, PageKind.MONTH, 10)
    monkeypatch.setitem(PART_LIMITS, PageKind.SITEMAP, 20)
    times = [MONTH + timedelta(minutes=number) for number in range(506)]
    few = shown_beside(tmp_path / "few", times[:66], staged)
    many = shown_beside(tmp_path / "many", times, staged)
    assert many[1] == few[1]
    assert many[2] < 1.02 * few[2]
    assert many[0] < 1.3 * few[0]
