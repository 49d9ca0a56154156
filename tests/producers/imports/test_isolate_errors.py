"""One unit's broken site never stops Loa: an unforeseen error is that feed's trouble, and shown."""

import pytest
from structlog.testing import capture_logs

from contracts import subjects
from producers.imports import visit
from producers.imports.feed_state import state_key
from producers.imports.parse import feed_document
from producers.imports.plan import plan_events
from producers.imports.service import ImportService
from producers.texts import get_text
from tests.support.feed_site import Article
from tests.support.import_pipeline import UNIT, visit_due
from tests.support.metric_values import metric

WORDS = "Lời của một bài"


@pytest.mark.promise("2.6")
async def test_what_nobody_foresaw_is_the_trouble_of_one_feed(imports, monkeypatch):
    odd, fine = imports.feed("/le"), imports.feed("/rss")
    await imports.follow(odd, fine)
    imports.publish(Article(1, title=WORDS), path="/le")
    imports.publish(Article(2))

    def planned(reading, known):
        if reading.feed == odd:
            raise KeyError(WORDS)
        return plan_events(reading, known)

    monkeypatch.setattr(visit, "plan_events", planned)
    with capture_logs() as logs:
        service = ImportService(imports.importer, imports.registry)
        await visit_due(service)
    await service.begin_due_visits()
    states = await imports.importer.states.read_all()
    broken, read = (states[state_key(UNIT, one)] for one in (odd, fine))
    assert broken.trouble == get_text("import", "broken", error="KeyError").as_field_error("feed")
    assert (broken.failures, broken.due > imports.clock()) == (1, True)
    assert (read.trouble, read.counts) == (None, {"new": 1})
    freshness = ("loa_feed_read_timestamp_seconds", "loa_feed_failures")
    told = [[metric(n, unit=UNIT, feed=one.feed_id) for n in freshness] for one in (odd, fine)]
    assert told == [[0, 1], [read.read, 0]] and read.read == imports.clock()
    [line] = [one for one in logs if one["event"] == "import_broken"]
    assert line["error"] == "KeyError"
    monkeypatch.undo()
    assert (await imports.visit_feed(odd)).counts == {"new": 1}


async def test_what_can_not_be_kept_is_the_trouble_of_one_feed(imports, monkeypatch):
    imports.publish(Article(1))
    settled = visit.next_state.after_reading

    def unfit(*given):
        return settled(*given).model_copy(update={"title": "\udce9"})

    monkeypatch.setattr(visit.next_state, "after_reading", unfit)
    state = await imports.visit_feed()
    assert state.trouble and state.title == ""


async def test_a_state_that_nobody_can_read_is_lost_and_the_feed_read_again(imports):
    await imports.read(Article(1))
    [feed] = (await imports.member()).registration.feeds
    bucket = imports.bus.bucket(subjects.IMPORTS.name)
    kept = await bucket.get(state_key(UNIT, feed))
    await bucket.swap(state_key(UNIT, feed), b'{"due": "x"}', kept.revision)
    with capture_logs() as logs:
        await visit_due(ImportService(imports.importer, imports.registry))
    assert "import_state_lost" in [one["event"] for one in logs]
    state = (await imports.importer.states.read_all())[state_key(UNIT, feed)]
    assert (state.counts, await imports.event_kinds()) == ({"unchanged": 1}, {"submitted": 1})


async def test_an_entry_nobody_understands_is_in_the_status_and_logged_once(imports, monkeypatch):
    whole = feed_document.parse_entry

    def entry(said, *more):
        if said["title"] == WORDS:
            raise KeyError(WORDS)
        return whole(said, *more)

    monkeypatch.setattr(feed_document, "parse_entry", entry)
    with capture_logs() as logs:
        for number in (1, 3):
            state = await imports.read(Article(number), Article(2, title=WORDS))
            [refusal] = state.refused
            assert (refusal.title, refusal.url) == (WORDS, Article(2).url)
            assert all("KeyError" in error.message_vi for error in refusal.errors)
            assert (state.counts["new"], state.counts["refused"]) == (1, 1)
    said = [one for one in logs if one["event"] == "import_item_refused"]
    assert [(one["fields"], one["error"]) for one in said] == [(["entry"], "KeyError")]
    assert WORDS not in str(logs)
