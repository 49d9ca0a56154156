"""The road of an article against the sandbox: one that the public sees, whatever goes wrong."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.notebook import Note
from channels.zalo.outcomes import PROCESSING_S
from channels.zalo.pace import POLLS_S, SETTLE_S
from channels.zalo.render import Site
from tests.builders import a_publication
from tests.zalo_stage import (
    ARTICLE,
    SITE,
    Killed,
    a_correction,
    a_withdrawal,
    carried_through,
    kill_at,
    recipient,
    silence_at,
    staged,
)

BEFORE = ["drop_before", "hang_before", "html_before"]
AFTER = ["drop_after", "hang_after", "html_after", "truncate_after", "empty_after", "error_after"]
ITEM = "lich-nghi-tet-2027"
OWN_COVER = {"url": "https://moha.example/bia.jpg", "alt": "Bìa"}


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


async def test_an_article_is_created_hidden_verified_and_shown(stage):
    outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.DELIVERED
    kinds = [fact["kind"] for fact in stage.sandbox.world.journal.facts()]
    assert kinds == ["granted", "article_created", "article_updated"]
    created = next(f for f in stage.sandbox.world.journal.facts() if f["kind"] == "article_created")
    assert created["payload"]["status"] == "hide"
    [article] = stage.visible
    assert article.payload["title"] == a_publication().title


async def test_the_token_is_noted_before_it_is_verified(stage):
    notes = []
    stage.notebook.after = lambda number: notes.append(stage.notebook.note())
    await stage.send(a_publication())
    intent, token, identity, *_, shown = notes
    assert intent.intent_at
    assert not intent.token
    assert token.token
    assert not token.article_id
    assert identity.article_id
    assert not identity.shown
    assert shown.shown == 1


async def test_sending_again_changes_nothing(stage):
    await stage.send(a_publication())
    before = len(list(stage.sandbox.world.journal.facts()))
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert len(list(stage.sandbox.world.journal.facts())) == before


async def test_an_article_that_takes_longer_is_put_off_with_its_token(stage):
    stage.rules(processing=len(POLLS_S) + 1)
    outcome = await stage.send(a_publication())
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, PROCESSING_S)
    assert stage.slept == list(POLLS_S)
    assert stage.notebook.note().token
    stage.start()
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_what_zalo_has_accepted_for_showing_is_in_doubt_until_it_is_verified(stage):
    """A withdrawal must reach it: the public may see it already."""
    stage.rules(processing=0)
    stage.fault("article.verify", "refuse", code=-214, words="Article is being processed", times=6)
    stage.sandbox.faults.planned[0].skip = 1
    outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    assert len(stage.visible) == 1
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_an_update_that_needs_no_verifying_is_done_at_once(stage):
    stage.rules(update_token=False)
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert len(stage.visible) == 1


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_create_is_a_doubt_that_the_list_settles(stage, kind):
    stage.fault("article.create", kind, delay_s=0.2)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (
        await carried_through(stage, a_publication(), ARTICLE, doubtful=True) is Verdict.DELIVERED
    )
    assert len(stage.visible) == 1
    assert stage.effects("article_created") == 1


@pytest.mark.parametrize("kind", BEFORE)
async def test_a_create_that_left_no_trace_is_not_repeated_before_it_is_settled(stage, kind):
    stage.fault("article.create", kind, delay_s=0.2)
    begun = stage.clock.now
    await stage.send(a_publication())
    while (outcome := await stage.resolve(a_publication())).verdict is Verdict.DOUBT:
        assert stage.effects("article_created") == 0
        stage.clock.advance(outcome.after_s)
    assert outcome.verdict is Verdict.ABSENT
    assert stage.clock.now - begun >= SETTLE_S


async def test_a_create_in_doubt_is_not_repeated_even_when_asked_to_send(stage):
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert 0 < outcome.after_s <= SETTLE_S
    assert stage.effects("article_created") == 0


async def test_an_article_that_the_list_shows_is_adopted_at_once(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert stage.notebook.note().article_id == stage.articles[0].id


@pytest.mark.parametrize("kind", BEFORE + AFTER)
@pytest.mark.parametrize("route", ["article.update", "article.verify"])
async def test_a_lost_update_or_verify_never_makes_a_second_article(stage, route, kind):
    stage.fault(route, kind, delay_s=0.2)
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert len(stage.articles) == 1
    assert len(stage.visible) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_an_update_that_arrived_is_seen_at_once(stage, kind):
    stage.fault("article.update", kind)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_an_update_that_did_not_arrive_is_repeated_only_when_no_late_one_can_land(stage):
    stage.fault("article.update", "drop_before")
    await stage.send(a_publication())
    outcome = await stage.resolve(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
async def test_a_kill_around_any_note_leaves_one_article(stage, number, moment):
    setattr(stage.notebook, moment, kill_at(number))
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert len(stage.visible) == 1
    assert len(stage.articles) == 1


async def test_a_crash_between_create_and_its_note_leaves_no_second_article(stage):
    stage.notebook.before = kill_at(2)
    with pytest.raises(Killed):
        await stage.send(a_publication())
    assert stage.effects("article_created") == 1
    stage.start()
    outcome = await carried_through(stage, a_publication(), ARTICLE, doubtful=True)
    assert outcome is Verdict.DELIVERED
    assert stage.effects("article_created") == 1
    assert len(stage.visible) == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_silent_notebook_never_makes_a_second_article(stage, number, moment):
    setattr(stage.notebook, moment, silence_at(number))
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_a_notebook_that_is_silent_from_the_start_holds_the_row(stage):
    stage.notebook.before = silence_at(1)
    assert (await stage.send(a_publication())).verdict is Verdict.HELD
    assert stage.effects("article_created") == 0


async def test_surplus_hidden_copies_are_removed_and_other_articles_left_alone(stage):
    await stage.send(a_publication(content_id="tin-khac"))
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    world = stage.sandbox.world
    copy = dict(stage.articles[1].payload)
    world.record("article_created", id="copy", token="copy", payload=copy)
    assert (
        await carried_through(stage, a_publication(), ARTICLE, doubtful=True) is Verdict.DELIVERED
    )
    mine = stage.notebook.note().article_id
    assert {item.id for item in stage.visible} == {
        mine,
        stage.notebook.note("tin-khac").article_id,
    }
    assert "copy" not in world.articles or mine == "copy"
    assert len(stage.articles) == 2


async def test_an_article_of_somebody_else_with_the_same_title_is_not_ours(stage):
    payload = stage.channel.render(a_publication()).payload("other", SITE.cover_url, "show")
    stage.sandbox.world.record("article_created", id="theirs", token="theirs", payload=payload)
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert stage.notebook.note().article_id == ""


async def test_our_article_is_found_on_the_third_page(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    payload = stage.channel.render(a_publication()).payload("other", SITE.cover_url, "show")
    for number in range(25):
        stage.clock.advance(1)
        stage.sandbox.world.record(
            "article_created", id=f"a{number}", token=f"t{number}", payload=payload
        )
    await stage.resolve(a_publication())
    assert stage.notebook.note().article_id == stage.articles[0].id


async def test_a_correction_updates_the_article_under_its_link(stage):
    await stage.send(a_publication())
    before = stage.notebook.note().article_id
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.id == before
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_a_correction_of_an_article_that_never_was_creates_it(stage):
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    assert len(stage.visible) == 1


async def test_a_correction_finds_the_article_that_an_older_revision_left_in_doubt(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_an_older_revision_never_comes_after_a_newer_one(stage):
    await stage.send(a_correction())
    assert (await stage.send(a_publication())).verdict is Verdict.FAILED
    assert (await stage.resolve(a_publication())).verdict is Verdict.FAILED
    [article] = stage.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_a_withdrawal_hides_the_article_and_its_text(stage):
    await stage.send(a_publication())
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert not article.visible
    assert "Nguyên đán</p>" not in json.dumps(article.payload["body"], ensure_ascii=False)
    assert (await stage.resolve(a_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_withdrawal_of_nothing_is_done(stage):
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    assert stage.articles == []


async def test_a_withdrawal_waits_for_a_create_in_doubt(stage):
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    assert (await stage.send(a_withdrawal())).verdict is Verdict.HELD
    stage.clock.advance(SETTLE_S)
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    assert stage.articles == []


async def test_a_withdrawal_of_an_article_that_somebody_removed_is_done(stage):
    await stage.send(a_publication())
    stage.sandbox.world.record("article_removed", id=stage.articles[0].id)
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_correction_of_an_article_that_somebody_removed_fails(stage):
    await stage.send(a_publication())
    stage.sandbox.world.record("article_removed", id=stage.articles[0].id)
    assert (await stage.send(a_correction())).verdict is Verdict.FAILED
    assert stage.articles == []


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_withdrawal_ends_hidden(stage, kind):
    await stage.send(a_publication())
    stage.fault("article.update", kind, delay_s=0.2)
    assert await carried_through(stage, a_withdrawal(), ARTICLE) is Verdict.DELIVERED
    assert stage.visible == []


async def test_a_cover_that_zalo_can_not_fetch_is_replaced_by_the_default_one(stage):
    stage.rules(broken_images=("moha.example",))
    outcome = await stage.send(a_publication(cover=OWN_COVER))
    assert outcome.verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.payload["cover"]["photo_url"] == SITE.cover_url


async def test_a_correction_tries_its_own_cover_again(stage):
    stage.rules(broken_images=("moha.example",))
    await stage.send(a_publication(cover=OWN_COVER))
    stage.rules(broken_images=())
    await stage.send(a_correction(cover=OWN_COVER))
    assert stage.articles[0].payload["cover"]["photo_url"] == OWN_COVER["url"]


async def test_a_correction_with_a_broken_cover_gets_the_default_one(stage):
    await stage.send(a_publication())
    stage.rules(broken_images=("moha.example",))
    assert (await stage.send(a_correction(cover=OWN_COVER))).verdict is Verdict.DELIVERED
    assert stage.articles[0].payload["title"].startswith("Đính chính")


async def test_a_broken_default_cover_holds_the_row_until_it_is_put_right(stage):
    stage.rules(broken_images=("cong.example",))
    with structlog.testing.capture_logs() as logs:
        outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert "LOA_PUBLIC_URL" in next(
        line["fix"] for line in logs if line["event"] == "zalo_operator_needed"
    )
    assert stage.articles == []
    for _ in range(3):
        outcome = await stage.send(a_publication())
    assert (outcome.verdict, outcome.after_s) == (Verdict.DEFERRED, 300)
    stage.rules(broken_images=())
    stage.clock.advance(300)
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_a_default_cover_at_another_address_is_handed_in_anew(stage):
    stage.rules(broken_images=("cong.example",))
    await stage.send(a_publication())
    stage.site = Site("https://cong.example", "https://other.example/bia.png")
    stage.start()
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


async def test_the_monthly_quota_holds_the_row_until_next_month(stage):
    stage.rules(article_quota=0)
    outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert stage.articles == []
    stage.clock.advance(outcome.after_s)
    stage.rules(article_quota=1)
    stage.sandbox.world.tokens.expires = 0
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("code", "words", "verdict"),
    [
        (-32, "Your OA reached limit call api", Verdict.HELD),
        (-224, "The OA needs to upgrade OA Tier Package", Verdict.HELD),
        (-223, "OA has not authorized this API", Verdict.HELD),
        (-239, "", Verdict.DEFERRED),
        (-201, "title allow 1 to 150 characters", Verdict.FAILED),
        (-248, "Violates our platform standards", Verdict.FAILED),
        (-77777, "something new", Verdict.FAILED),
    ],
)
async def test_a_refused_create_is_what_its_code_says(stage, code, words, verdict):
    stage.fault("article.create", "refuse", code=code, words=words)
    assert (await stage.send(a_publication())).verdict is verdict
    assert stage.notebook.note().intent_at == 0
    assert stage.notebook.note().failed == (1 if verdict is Verdict.FAILED else 0)


@pytest.mark.parametrize("code", [-224, -248])
async def test_an_operator_is_told_where_to_put_it_right(stage, code):
    stage.fault("article.create", "refuse", code=code)
    with structlog.testing.capture_logs() as logs:
        await stage.send(a_publication())
    [line] = [line for line in logs if line["event"] == "zalo_operator_needed"]
    assert "oa.zalo.me" in line["fix"]
    assert line["call"] == "/v2.0/article/create"


async def test_an_unknown_code_is_logged_with_its_words(stage):
    stage.fault("article.create", "refuse", code=-77777, words="something new")
    with structlog.testing.capture_logs() as logs:
        await stage.send(a_publication())
    [line] = [line for line in logs if line["event"] == "zalo_unknown_code"]
    assert (line["code"], line["words"]) == (-77777, "something new")


async def test_a_token_that_zalo_forgot_is_looked_for_in_the_list(stage):
    stage.fault("article.verify", "refuse", code=-201, words="token is invalid!")
    assert (await stage.send(a_publication())).verdict is Verdict.HELD
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_an_update_token_that_zalo_forgot_is_looked_up(stage):
    stage.fault("article.verify", "refuse", code=-201, words="token is invalid!", skip=3)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_nothing_is_sent_after_the_deadline(stage):
    outcome = await stage.send(a_publication(), expired=lambda: True)
    assert outcome.verdict is Verdict.UNSENT
    assert stage.articles == []


async def test_a_deadline_that_passes_on_the_way_stops_before_the_next_effect(stage):
    def once_created() -> bool:
        return stage.effects("article_created") > 0

    outcome = await stage.send(a_publication(), expired=once_created)
    assert outcome.verdict is Verdict.UNSENT
    assert stage.visible == []
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_a_deadline_that_passes_just_before_the_request_leaves_no_doubt(stage):
    asked = []

    def second_time() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert (await stage.send(a_publication(), expired=second_time)).verdict is Verdict.UNSENT
    assert stage.notebook.note().intent_at == 0
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


async def test_an_unreachable_zalo_holds_the_row_and_leaves_no_doubt(stage, monkeypatch):
    async def away(request):
        raise Unreachable("no connection")

    monkeypatch.setattr(stage.channel.api.transport, "exchange", away)
    outcome = await stage.send(a_publication())
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, 30)
    monkeypatch.undo()
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT


async def test_a_row_that_was_never_begun_is_absent(stage):
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT


async def test_a_zalo_that_can_not_be_asked_leaves_the_doubt(stage):
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    stage.fault("article.getslice", "html_before", times=9)
    outcome = await stage.resolve(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    assert outcome.after_s > 0


async def test_reads_are_tried_again_within_seconds(stage):
    stage.fault("article.verify", "drop_before", times=2)
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


async def test_a_row_nobody_knows_fails(stage):
    assert (await stage.send(a_publication(), "somebody")).verdict is Verdict.FAILED


async def test_rows_are_answered_in_order(stage):
    async with stage.channel.session() as session:
        rendered = stage.channel.render(a_publication())
        rows = [recipient(a_publication(), row) for row in ("somebody", ARTICLE)]
        outcomes = await session.send(rendered, rows, lambda: False)
    assert [said.verdict for said in outcomes] == [Verdict.FAILED, Verdict.DELIVERED]


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "html_before"},
        {"kind": "refuse", "code": -224, "words": "upgrade OA Tier Package"},
        {"kind": "refuse", "code": -32, "words": "Your OA reached limit call api"},
    ],
    ids=["unreachable", "operator", "quota"],
)
async def test_what_the_public_may_see_stays_in_doubt_while_zalo_can_not_be_asked(stage, trouble):
    stage.fault("article.verify", **trouble, skip=3, times=3)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert len(stage.visible) == 1
    stage.sandbox.faults.planned.clear()
    stage.clock.advance(900)
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("number", [2, 5])
async def test_an_effect_that_could_not_be_noted_is_a_doubt(stage, number):
    stage.notebook.before = silence_at(number)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert await carried_through(stage, a_publication(), ARTICLE, doubtful=True)
    assert len(stage.articles) == 1


@pytest.mark.parametrize(
    ("call", "verdict"), [("create", Verdict.HELD), ("verify", Verdict.FAILED)]
)
async def test_a_refused_older_revision_clears_nothing_of_a_newer_one(stage, call, verdict):
    """Its worker was slow, and the item has moved on since it asked Zalo."""
    newer = Note(revision=2, token="t-2", marker="m-2")

    def moved_on(request):
        if request.url.endswith(f"/article/{call}"):
            stage.notebook.pages[ITEM] = newer.encode()
            stage.notebook.revisions[ITEM] += 1

    stage.before_request = moved_on
    stage.fault(f"article.{call}", "refuse", code=-248)
    assert (await stage.send(a_publication())).verdict is verdict
    assert stage.notebook.note() == newer


async def test_a_worker_that_was_overtaken_is_in_doubt_about_what_it_sent(stage):
    """What it has created is Zalo's to tell; the newer note is not written over."""
    newer = Note(revision=2, token="t-2", marker="m-2")

    def moved_on(request):
        if request.url.endswith("/article/create"):
            stage.notebook.pages[ITEM] = newer.encode()
            stage.notebook.revisions[ITEM] += 1

    stage.after_request = moved_on
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert stage.notebook.note() == newer
