"""Records in a bucket on a real server: created when absent, else changed."""

from dataclasses import replace

from pydantic import BaseModel

from contracts import subjects
from producers.bus import records


class Count(BaseModel):
    number: int = 7


def one_more(count: Count) -> Count:
    return Count(number=count.number + 1)


async def test_an_absent_record_is_created_from_its_default_and_then_changed(bus):
    units = bus.bucket(subjects.UNITS.name)
    for number in (8, 9):
        written = await records.update_or_create(units, "vp", Count, one_more)
        assert (written.value, written.just_written) == (Count(number=number), True)
        stored = await records.read(units, "vp", Count)
        assert stored == replace(written, just_written=False)


async def test_a_default_without_a_change_is_stored_once(bus):
    units = bus.bucket(subjects.UNITS.name)
    first = await records.update_or_create(units, "vp", Count, lambda count: count)
    again = await records.update_or_create(units, "vp", Count, lambda count: count)
    assert (first.just_written, again.just_written) == (True, False)
    assert first.revision == again.revision
