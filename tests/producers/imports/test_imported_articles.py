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
from tests.support.feed_site import Article, changed_article, rss
from tests.support.import_pipeline import UNIT, open_import_pipeline

ARTICLE = Article(1)
HAND, IMPORT = f"/units/{UNIT}", f"/imports/{UNIT}"


@pytest.fixture
async def import_pipeline(bus, clock):
    async with open_import_pipeline(bus, clock) as house:
        await house.follow()
        house.site.publish(rss(ARTICLE))
        await house.visit_feed()
        yield house


async def put(house, data: dict, kind: str, source: str, *, door: str = "", event_id="la-1"):
    """A message past the HTTP door, as a trusted host may put it on the bus."""
    [first, *_] = await house.stored_events()
    event = {
        "specversion": "1.0", "id": event_id, "source": source, "data": data,
        "type": f"vn.gov.moha.content.{kind}.v1", "time": "2027-01-15T08:00:00Z",
    }  # fmt: skip
    if source == IMPORT:
        event |= {name: first.extensions[name] for name in (FEED_ATTRIBUTE, NAMES_ATTRIBUTE)} | {
            FINGERPRINT_ATTRIBUTE: "khac"
        }
    subject = subjects.content(UNIT, door or kind)
    await house.bus.publish(subject, json.dumps(event).encode(), msg_id=event_id)


async def taken_in(house) -> list[str]:
    """What intake has against what lies in the log."""
    intake, wrong = Intake(house.bus, DEFAULT, house.clock), []
    for event in await house.stored_events():
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
    "a topic that nobody knows": ({"revision": 2, "topic": "khong-co"}, "corrected"),
    "a field that nobody knows": ({"revision": 2, "la": 1}, "corrected"),
    "a text in numbers": ({"revision": 2, "body": 7, "summary": {}}, "corrected"),
    "a lane that the unit may not use": ({"revision": 900, "lane": "urgent"}, "corrected"),
    "a withdrawal without a reason": (None, "withdrawn"),
}


@pytest.mark.promise("2.6")
@pytest.mark.parametrize("source", [HAND, IMPORT])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("again", [False, True], ids=["the same process", "another process"])
async def test_what_intake_refuses_changes_nothing(import_pipeline, name, source, again):
    change, kind = REFUSED[name]
    [said] = await import_pipeline.stored_events()
    card = {"content_id": said.data["content_id"]}
    await put(
        import_pipeline, card if change is None else said.data | {"corrects_revision": 1} | change,
        kind, source,
    )  # fmt: skip
    assert await taken_in(import_pipeline)
    importer = (
        import_pipeline.new_importer(import_pipeline.bus) if again else import_pipeline.importer
    )
    import_pipeline.site.publish(rss(ARTICLE, ttl=1))
    state = await import_pipeline.visit_feed(importer=importer)
    assert (state.counts, state.trouble) == ({"unchanged": 1}, None)
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    state = await import_pipeline.visit_feed(importer=importer)
    assert (state.counts, state.trouble) == ({"changed": 1}, None)
    newest = (await import_pipeline.stored_events())[-1]
    assert (newest.data["revision"], newest.data["corrects_revision"]) == (2, 1)


@pytest.fixture
def events_before_append(import_pipeline, monkeypatch):
    """Somebody's revision 2 comes onto the bus just before the import's own."""
    accept = import_pipeline.importer.sender.acceptance.accept

    async def after_another(*said):
        monkeypatch.undo()
        [first] = await import_pipeline.stored_events()
        await put(
            import_pipeline, first.data | {"revision": 2, "corrects_revision": 1}, "corrected", HAND
        )
        return await accept(*said)

    monkeypatch.setattr(import_pipeline.importer.sender.acceptance, "accept", after_another)


@pytest.mark.promise("2.6")
@pytest.mark.parametrize("again", [False, True], ids=["the same process", "another process"])
@pytest.mark.parametrize("late", [False, True], ids=["judged", "judged after another reading"])
async def test_a_correction_that_another_overtook_goes_out_after_it(
    import_pipeline, events_before_append, again, late
):
    fixed = changed_article(ARTICLE, lead="<p>Đã sửa</p>")
    import_pipeline.site.publish(rss(fixed))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}
    if late:
        import_pipeline.site.publish(rss(fixed, ttl=1))
        assert (await import_pipeline.visit_feed()).counts == {"unchanged": 1}
    assert await taken_in(import_pipeline) == ["data.revision"]
    importer = (
        import_pipeline.new_importer(import_pipeline.bus) if again else import_pipeline.importer
    )
    import_pipeline.site.publish(rss(fixed, ttl=2))
    assert (await import_pipeline.visit_feed(importer=importer)).counts == {"changed": 1}
    assert [one.data["revision"] for one in await import_pipeline.stored_events()] == [1, 2, 2, 3]
    assert await taken_in(import_pipeline) == ["data.revision"], "the third text is taken in"
    import_pipeline.site.publish(rss(fixed, ttl=3))
    assert (await import_pipeline.visit_feed(importer=importer)).counts == {"unchanged": 1}


async def test_a_revision_that_intake_refuses_after_a_reading_is_none_from_then_on(import_pipeline):
    [said] = await import_pipeline.stored_events()
    urgent = {"revision": 900, "corrects_revision": 1, "lane": "urgent"}
    await put(import_pipeline, said.data | urgent, "corrected", HAND)
    import_pipeline.site.publish(rss(ARTICLE, ttl=1))
    assert (await import_pipeline.visit_feed()).counts == {"unchanged": 1}
    assert await taken_in(import_pipeline) == ["data.lane"]
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}
    assert (await import_pipeline.stored_events())[-1].data["revision"] == 2


@pytest.mark.parametrize("source", [HAND, IMPORT])
async def test_a_text_by_hand_that_intake_has_not_seen_yet_counts(import_pipeline, source):
    [said] = await import_pipeline.stored_events()
    await put(
        import_pipeline, said.data | {"revision": 2, "corrects_revision": 1}, "corrected", source
    )
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}
    assert (await import_pipeline.stored_events())[-1].data["revision"] == 3


async def test_a_text_under_the_id_of_another_is_no_revision(import_pipeline):
    [said] = await import_pipeline.stored_events()
    other = said.data | {"revision": 7, "corrects_revision": 1}
    await put(import_pipeline, other, "corrected", IMPORT, event_id=said.id)
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}
    assert (await import_pipeline.stored_events())[-1].data["revision"] == 2


async def test_a_withdrawal_on_the_wrong_subject_withdraws_nothing(import_pipeline):
    [said] = await import_pipeline.stored_events()
    gone = {"content_id": said.data["content_id"], "reason": "Sai"}
    await put(import_pipeline, gone, "withdrawn", HAND, door="submitted")
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}


async def test_a_withdrawal_that_intake_has_refused_withdraws_nothing(import_pipeline):
    """An id that already says something else: its own form is good."""
    [said] = await import_pipeline.stored_events()
    gone = {"content_id": said.data["content_id"], "reason": "Sai"}
    await put(import_pipeline, gone, "withdrawn", IMPORT, event_id=said.id)
    assert "id" in await taken_in(import_pipeline)
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}


async def test_a_good_withdrawal_by_hand_counts(import_pipeline):
    [said] = await import_pipeline.stored_events()
    gone = {"content_id": said.data["content_id"], "reason": "Sai sự thật"}
    await put(import_pipeline, gone, "withdrawn", HAND)
    import_pipeline.site.publish(rss(changed_article(ARTICLE, lead="<p>Đã sửa</p>")))
    assert (await import_pipeline.visit_feed()).counts == {"withdrawn": 1}


async def test_what_was_taken_in_under_an_older_vocabulary_is_never_published_again(
    import_pipeline,
):
    """Its topic has gone from the vocabulary since; its unit's feed has another one by now."""
    assert await taken_in(import_pipeline) == []
    [said] = await import_pipeline.stored_events()
    topics = {name: one for name, one in DEFAULT.topics.items() if name != said.data["topic"]}
    fewer = DEFAULT.model_copy(update={"topics": topics})
    importer = replace(import_pipeline.new_importer(import_pipeline.bus), vocabulary=fewer)
    [feed] = (await import_pipeline.member()).registration.feeds
    other = feed.model_copy(update={"topic": next(iter(topics))})
    import_pipeline.site.publish(rss(ARTICLE, ttl=1))
    assert (await import_pipeline.visit_feed(other, importer=importer)).counts == {"unchanged": 1}
    assert await import_pipeline.stored_events() == [said]
