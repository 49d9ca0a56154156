"""Corrections to recipients of a digest: the mail they answer, and their wording."""

from email import message_from_bytes, policy

import pytest

from consumers.dispatch import planner
from consumers.ledger import cursor, plan_rows
from consumers.ledger.plan_rows import PlanRows
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from tests.support.digest_pipeline import BUSY, EMAIL
from tests.support.mails import (
    a_full_publication,
    decoded_header,
    email_channel,
    mail_recipient,
    sent_mail,
    without_dot_stuffing,
)
from tests.support.scripted_channel import OK

DIGEST = PlanKey(EMAIL, "digest-weekly-2026-11-23", 2)
DOMAIN = "moha.example"


def named(mail: PlanKey, id: str) -> str:
    """Return the Message-ID of a recipient's mail."""
    delivery = keys.delivery_key(mail.content_id, mail.revision, ChannelName.EMAIL, id)
    return keys.message_id(delivery, DOMAIN)


def texts(mail):
    return [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]


def item(revision: int) -> PlanKey:
    return PlanKey(EMAIL, "lich-nghi-tet-2027", revision)


# --- the mail


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action": "corrected"}, "đính chính tin đã gửi Quý vị"),
        ({"action": "published"}, "được cập nhật. Nội dung"),
        ({"action": "withdrawn", "reason": "Sai số liệu."}, "đã gỡ tin nêu dưới đây"),
    ],
)
def test_the_digest_is_what_a_correction_answers_and_names(changes, words):
    publication = a_full_publication(revision=4, **changes)
    row = mail_recipient(1, publication, correction=True, earlier_mails=(DIGEST,))
    _, mail = sent_mail(publication, row)
    assert mail["In-Reply-To"] == mail["References"] == named(DIGEST, row.id)
    for text in texts(mail):
        assert "đã gửi Quý vị trong bản tổng hợp tin tuần, đến ngày 23/11/2026" in text
        assert words in text


def test_whoever_had_a_mail_alone_after_the_digest_is_answered_on_that():
    publication = a_full_publication(revision=3, action="corrected")
    row = mail_recipient(1, publication, correction=True, earlier_mails=(DIGEST, item(2)))
    _, mail = sent_mail(publication, row)
    assert mail["References"].split() == [named(DIGEST, row.id), named(item(2), row.id)]
    assert mail["In-Reply-To"] == named(item(2), row.id)
    assert "ản tổng hợp" not in "".join(texts(mail))


def test_readers_of_one_batch_are_told_what_each_of_them_had():
    publication = a_full_publication(revision=2, action="corrected")
    rendered = email_channel().render(publication)
    had = {1: (), 2: (DIGEST,), 3: (DIGEST._replace(content_id="digest-daily-2026-11-20"),)}
    found = {}
    for number in (1, 2, 3, 2, 1):
        row = mail_recipient(number, publication, correction=True, earlier_mails=had[number])
        mail = message_from_bytes(
            without_dot_stuffing(rendered.envelope(row).body), policy=policy.default
        )
        found.setdefault(number, set()).add((mail["In-Reply-To"], texts(mail)[0]))
    assert [len(mails) for mails in found.values()] == [1, 1, 1]
    [alone], [weekly], [daily] = found.values()
    assert alone[0] == named(item(1), "nguoi-nhan-000001")
    assert "ản tổng hợp" not in alone[1]
    assert "bản tổng hợp tin tuần, đến ngày 23/11/2026" in weekly[1]
    assert "tin ngày 20/11/2026" in daily[1]


def test_of_many_mails_the_last_ten_are_named():
    publication = a_full_publication(revision=30, action="corrected")
    had = (DIGEST, *(item(revision) for revision in range(2, 30)))
    reader = mail_recipient(1, publication, correction=True, earlier_mails=had)
    _, mail = sent_mail(publication, reader)
    assert len(mail["References"].split()) == 10


@pytest.mark.parametrize(
    ("action", "label"),
    [
        ("corrected", "Đính chính lúc 08:30 ngày 26/11/2026"),
        ("published", "Cập nhật lúc 08:30 ngày 26/11/2026"),
        ("withdrawn", "Gỡ lúc 08:30 ngày 26/11/2026"),
    ],
)
def test_a_mail_says_when_it_was_corrected_beside_when_it_first_came_out(action, label):
    changes = {"action": action, "revision": 2, "released_at": "2026-11-26T01:30:00Z"}
    _, mail = sent_mail(a_full_publication(**changes), mail_recipient(1, correction=True))
    for text in texts(mail):
        assert "Đăng lần đầu:" in text and "09:00 ngày 20/11/2026" in text
        assert text.count(label) == 1
    _, first = sent_mail(a_full_publication())
    assert all(label.partition(" 08")[0] not in text for text in texts(first))


# --- from the ledger


@pytest.fixture
async def digests(digests, monkeypatch):
    """A pipeline that records every row, with batches of two recipients."""
    monkeypatch.setattr(cursor, "MAX_BATCH_ROWS", 2)
    monkeypatch.setattr(planner, "MAX_BATCH_ROWS", 2)
    digests.rows = []
    digests.recorder.answer = lambda row: digests.rows.append(row) or OK
    for number in range(6):
        digests.directory.add(f"r{number}", frequency="daily" if number % 2 else "immediate")
    return digests


async def take(pipeline) -> dict[str, object]:
    """Deliver everything that is due; return the rows by recipient."""
    pipeline.rows.clear()
    await pipeline.deliver()
    return {row.id: row for row in pipeline.rows}


async def in_a_digest(pipeline, name):
    await pipeline.release_and_plan(name)
    alone = await take(pipeline)
    await pipeline.pass_days()
    return alone, await take(pipeline)


@pytest.mark.promise("7.2")
async def test_the_ledger_knows_in_which_mail_each_reader_had_the_text(digests):
    alone, gathered = await in_a_digest(digests, "tin-mot")
    second = await digests.release_and_plan("tin-mot", 2)
    told = await take(digests)
    mails = email_channel().render(second.publication)
    for number in range(6):
        id = f"r{number}"
        mail = message_from_bytes(
            without_dot_stuffing(mails.envelope(told[id]).body), policy=policy.default
        )
        before = gathered if number % 2 else alone
        assert mail["In-Reply-To"] == keys.message_id(before[id].delivery_key, DOMAIN)
        shown = "bản tổng hợp tin ngày 16/01/2027" in texts(mail)[0]
        assert shown == bool(number % 2)
        assert decoded_header(mail, "Subject").startswith("Đính chính: ")
    await digests.release_and_plan("tin-mot", 3, action="withdrawn")
    last = await take(digests)
    assert last["r1"].earlier_mails == (told_in("digest-daily-2027-01-16"), told_in("tin-mot", 2))
    assert last["r2"].earlier_mails == ()


async def test_a_correction_that_was_overtaken_before_it_left_is_no_mail_to_answer(digests):
    await in_a_digest(digests, "tin-mot")
    digests.recorder.answer = lambda row: BUSY
    await digests.release_and_plan("tin-mot", 2)
    await digests.deliver()
    digests.recorder.answer = lambda row: digests.rows.append(row) or OK
    await digests.release_and_plan("tin-mot", 3)
    told = await take(digests)
    assert told["r3"].correction
    assert told["r3"].earlier_mails == (told_in("digest-daily-2027-01-16"),)


async def test_who_had_the_item_alone_answers_that_mail_although_another_stood_in_a_digest(digests):
    await digests.release_and_plan("tin-mot")
    await take(digests)
    digests.directory.set_frequency("r2", "daily")
    await digests.release_and_plan("tin-hai")
    await digests.pass_days()
    assert (await take(digests))["r2"].picks == 0b10, "the digest has not brought it"
    await digests.release_and_plan("tin-mot", 2)
    told = await take(digests)
    assert (told["r1"].earlier_mails, told["r2"].earlier_mails) == (
        (told_in("digest-daily-2027-01-16"),),
        (),
    )


async def test_only_items_that_stood_in_a_digest_are_looked_up(digests, monkeypatch):
    await digests.release_and_plan("tin-mot")
    await digests.deliver()
    digests.directory.add("s1", frequency="daily")
    await digests.release_and_plan("tin-mot", 2)
    reads = []
    rows = digests.worker.render_cache.earlier_mails.rows
    load = rows.load
    monkeypatch.setattr(rows, "load", lambda batch: reads.append(batch) or load(batch))
    assert {row.earlier_mails for row in (await take(digests)).values()} == {()}
    assert reads == []
    await in_a_digest(digests, "tin-hai")
    await digests.release_and_plan("tin-hai", 2)
    assert len(await take(digests)) == 7
    assert reads


@pytest.fixture
async def large_digest(digests):
    """A plan of fifty batches with two recipients each; its reader, and the reads."""
    for number in range(100):
        digests.directory.add(f"s{number:02}")
    await digests.release_and_plan("tin-mot")
    found, reads = PlanRows(digests.ledger), []
    real = digests.ledger.rows
    digests.ledger.rows = lambda batch: reads.append(batch.number) or real(batch)
    return found, item(1)._replace(content_id="tin-mot"), reads


async def test_a_batch_is_laid_beside_those_that_hold_the_same_ids_and_no_other(large_digest):
    received, plan, reads = large_digest
    batches = [(batch, rows) async for batch, rows in received.between(plan, "s41", "s44")]
    ids = [id for _, rows in batches for id in rows.ids]
    assert ids[0] <= "s41"
    assert ids[-1] >= "s44"
    assert len(batches) <= 3
    assert len(set(reads)) <= 6 + 3 + 1, "a search in fifty, three that hold them, one behind"
    assert [one async for one in received.between(plan, "t", "u")] == []


async def test_the_middles_of_the_search_are_read_once_for_a_correction(large_digest, monkeypatch):
    received, plan, reads = large_digest
    monkeypatch.setattr(plan_rows, "CACHE_SIZE", 10)
    for number in range(100):
        id = f"s{number:02}"
        assert [one async for one in received.between(plan, id, id)]
    assert len(reads) == len(set(reads)) >= 50


def told_in(content_id: str, revision: int = 1) -> PlanKey:
    return PlanKey(EMAIL, content_id, revision)
