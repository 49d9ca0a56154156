"""The import learns from the log what intake takes in: a refused message changes nothing."""

import json
from dataclasses import replace

import pytest

from consumers.intake.handler import Intake
from contracts import events, subjects
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT
from producers.imports.imported_articles import (
    FEED_ATTRIBUTE,
    FINGERPRINT_ATTRIBUTE,
    NAMES_ATTRIBUTE,
)
from tests.support.feed_site import Article, changed_article
from tests.support.import_pipeline import UNIT, open_import_pipeline

ARTICLE = Article(1)
FIXED = changed_article(ARTICLE, lead="<p>Đã sửa</p>")
HAND, IMPORT = f"/units/{UNIT}", f"/imports/{UNIT}"
SAME_AND_OTHER_PROCESS = pytest.mark.parametrize(
    "fresh", [False, True], ids=["the same process", "another process"]
)


@pytest.fixture
async def imports(bus, clock):
    async with open_import_pipeline(bus, clock) as pipeline:
        await pipeline.read(ARTICLE)
        yield pipeline


async def put(imports, source, kind="corrected", *, door="", event_id="la-1", **changes):
    """A message past the HTTP door, as a trusted host may put it on the bus."""
    [first, *_] = await imports.stored_events()
    withdrawal = {"content_id": first.data["content_id"]}
    data = withdrawal if kind == "withdrawn" else first.data | {"corrects_revision": 1}
    event = {
        "specversion": "1.0", "id": event_id or first.id, "source": source, "data": data | changes,
        "type": f"vn.gov.moha.content.{kind}.v1", "time": "2027-01-15T08:00:00Z",
    }  # fmt: skip
    if source == IMPORT:
        named = (FEED_ATTRIBUTE, NAMES_ATTRIBUTE)
        event |= {name: first.extensions[name] for name in named} | {FINGERPRINT_ATTRIBUTE: "khac"}
    subject = subjects.content(UNIT, door or kind)
    await imports.bus.publish(subject, json.dumps(event).encode(), msg_id=event["id"])


async def taken_in(imports) -> list[str]:
    """The fields that intake refuses of the events in the log."""
    intake, wrong = Intake(imports.bus, DEFAULT, imports.clock), []
    for event in await imports.stored_events():
        try:
            await intake.handle(event, UNIT, events.kind_of(event.type))
        except ContractError as refused:
            wrong += [error.field for error in refused.errors]
    return wrong


REFUSED = {
    "a revision in letters": ({"revision": "abc"}, "corrected"),
    "no revision": ({"revision": None}, "corrected"),
    "a list": ({"revision": [1]}, "corrected"),
    "5,000 digits": ({"revision": "1" * 5000}, "corrected"),
    "an immense one": ({"revision": 10**18}, "corrected"),
    "a truth": ({"revision": True}, "submitted"),
    "attachments in letters": ({"revision": 2, "attachments": "x"}, "corrected"),
    "attachments of letters": ({"revision": 2, "attachments": ["x"]}, "corrected"),
    "an unknown topic": ({"revision": 2, "topic": "khong-co"}, "corrected"),
    "an unknown field": ({"revision": 2, "la": 1}, "corrected"),
    "a text in numbers": ({"revision": 2, "body": 7, "summary": {}}, "corrected"),
    "a lane that the unit may not use": ({"revision": 900, "lane": "urgent"}, "corrected"),
    "a withdrawal without a reason": ({}, "withdrawn"),
}


@pytest.mark.promise("2.6")
@pytest.mark.parametrize("source", [HAND, IMPORT])
@pytest.mark.parametrize("name", REFUSED)
@SAME_AND_OTHER_PROCESS
async def test_what_intake_refuses_changes_nothing(imports, name, source, fresh):
    changes, kind = REFUSED[name]
    await put(imports, source, kind, **changes)
    assert await taken_in(imports)
    importer = imports.new_importer(imports.bus) if fresh else imports.importer
    state = await imports.read(ARTICLE, ttl=1, importer=importer)
    assert (state.counts, state.trouble) == ({"unchanged": 1}, None)
    state = await imports.read(FIXED, importer=importer)
    assert (state.counts, state.trouble) == ({"changed": 1}, None)
    newest = (await imports.stored_events())[-1]
    assert (newest.data["revision"], newest.data["corrects_revision"]) == (2, 1)


@pytest.fixture
def events_before_append(imports, monkeypatch):
    """Another revision 2 comes onto the bus just before the import's own."""
    accept = imports.importer.sender.acceptance.accept

    async def after_another(*args):
        monkeypatch.undo()
        await put(imports, HAND, revision=2)
        return await accept(*args)

    monkeypatch.setattr(imports.importer.sender.acceptance, "accept", after_another)


@pytest.mark.promise("2.6")
@SAME_AND_OTHER_PROCESS
@pytest.mark.parametrize("late", [False, True], ids=["judged", "judged after another reading"])
async def test_a_correction_overtaken_by_another_waits(imports, events_before_append, fresh, late):
    assert (await imports.read(FIXED)).counts == {"changed": 1}
    if late:
        assert (await imports.read(FIXED, ttl=1)).counts == {"unchanged": 1}
    assert await taken_in(imports) == ["data.revision"]
    importer = imports.new_importer(imports.bus) if fresh else imports.importer
    assert (await imports.read(FIXED, ttl=2, importer=importer)).counts == {"changed": 1}
    assert [one.data["revision"] for one in await imports.stored_events()] == [1, 2, 2, 3]
    assert await taken_in(imports) == ["data.revision"], "the third text is taken in"
    assert (await imports.read(FIXED, ttl=3, importer=importer)).counts == {"unchanged": 1}


async def test_a_revision_that_intake_refuses_after_a_reading_is_none_from_then_on(imports):
    await put(imports, HAND, revision=900, lane="urgent")
    assert (await imports.read(ARTICLE, ttl=1)).counts == {"unchanged": 1}
    assert await taken_in(imports) == ["data.lane"]
    assert (await imports.read(FIXED)).counts == {"changed": 1}
    assert (await imports.stored_events())[-1].data["revision"] == 2


GONE = {"kind": "withdrawn", "reason": "Sai sự thật"}


@pytest.mark.parametrize(
    ("message", "counted", "revision"),
    [
        ({"source": HAND, "revision": 2}, "changed", 3),
        ({"source": IMPORT, "revision": 2}, "changed", 3),
        ({"source": IMPORT, "revision": 7, "event_id": ""}, "changed", 2),
        ({"source": HAND, "door": "submitted", **GONE}, "changed", 2),
        ({"source": HAND, **GONE}, "withdrawn", None),
    ],
    ids=["by hand", "of an import", "under the id of another", "wrong subject", "withdrawal"],
)
async def test_a_message_not_yet_judged_counts_if_it_is_good(imports, message, counted, revision):
    await put(imports, **message)
    assert (await imports.read(FIXED)).counts == {counted: 1}
    assert (await imports.stored_events())[-1].data.get("revision") == revision


async def test_a_withdrawal_that_intake_has_refused_withdraws_nothing(imports):
    """An id that already says something else: its own form is good."""
    await put(imports, IMPORT, event_id="", **GONE)
    assert "id" in await taken_in(imports)
    assert (await imports.read(FIXED)).counts == {"changed": 1}


async def test_an_event_of_an_older_vocabulary_is_never_published_again(imports):
    """Its topic has gone from the vocabulary since; its unit's feed has another one by now."""
    assert await taken_in(imports) == []
    [said] = await imports.stored_events()
    topics = {name: one for name, one in DEFAULT.topics.items() if name != said.data["topic"]}
    fewer = DEFAULT.model_copy(update={"topics": topics})
    importer = replace(imports.new_importer(imports.bus), vocabulary=fewer)
    [feed] = (await imports.member()).registration.feeds
    other = feed.model_copy(update={"topic": next(iter(topics))})
    state = await imports.read(ARTICLE, ttl=1, feed=other, importer=importer)
    assert state.counts == {"unchanged": 1}
    assert await imports.stored_events() == [said]
