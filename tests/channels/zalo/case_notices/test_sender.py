"""Case notices by template: recipients, a single send, and the end of a doubt."""

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.case_notice_texts import NOTICE_KINDS
from channels.errors import Unreachable
from contracts import keys
from sandbox.zalo.state.templates import shipped_routes
from tests.support.zalo_notices import (
    BY_PHONE,
    BY_USER_ID,
    LOST,
    PHONE,
    USER_ID,
    add_person,
    count_calls,
    sample_notice,
)

TO_USER = f"zalo:{USER_ID}"


@pytest.mark.parametrize("kind", NOTICE_KINDS)
async def test_every_kind_of_notice_reaches_a_phone_once(zalo_notices, kind):
    outcome = await zalo_notices.send(sample_notice(kind))
    assert outcome == Outcome(Verdict.DELIVERED)
    [message] = zalo_notices.messages
    assert (message["phone"], message["template_id"]) == (PHONE, shipped_routes()[kind])
    assert "H42.20-20260609-0092637" in message["content"]["text"]
    assert "<" not in message["content"]["text"]
    assert message["tracking_id"] == keys.tracking_id(zalo_notices.row(1, PHONE).delivery_key)


async def test_a_user_id_takes_the_other_road_and_its_message_is_found_again(zalo_notices):
    add_person(zalo_notices.account)
    assert (await zalo_notices.send(address=TO_USER)).verdict is Verdict.DELIVERED
    [message] = zalo_notices.messages
    assert (message["via"], message["tracking_id"], message["price"]) == ("uid", "", 560)
    tracking_id = keys.tracking_id(zalo_notices.row(1, TO_USER).delivery_key)
    assert await zalo_notices.sent.message_id(tracking_id) == message["id"]
    assert await zalo_notices.amount_reserved("today") == 560


@pytest.mark.parametrize("on_top", [False, True])
async def test_the_answer_is_read_in_both_of_its_forms(zalo_notices, on_top):
    add_person(zalo_notices.account)
    zalo_notices.account.set_rules(sent_time_on_top=on_top)
    assert (await zalo_notices.send(address=TO_USER)).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    "address", ["", "0912345678", "+84912345678", "842438241234", "zalo:", "zalo:x", "a@b.vn"]
)
async def test_what_is_no_address_at_zalo_is_left_to_another_channel(zalo_notices, address):
    outcome = await zalo_notices.send(address=address)
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.SUPPRESSED, False)
    assert zalo_notices.messages == []


async def test_a_row_that_is_nobody_gets_nothing(zalo_notices):
    rendered = zalo_notices.channel.render(sample_notice())
    row = zalo_notices.row(1, PHONE)
    async with zalo_notices.channel.session() as session:
        other = type(row)("article", row.delivery_key, row.address)
        [outcome] = await session.send(rendered, [other], lambda: False)
    assert outcome.verdict is Verdict.FAILED
    assert zalo_notices.messages == []


async def test_nothing_is_sent_after_the_deadline_and_nothing_stays_set_aside(zalo_notices):
    asked = iter([False, True])
    outcome = await zalo_notices.send(expired=lambda: next(asked))
    assert outcome.verdict is Verdict.UNSENT
    assert zalo_notices.messages == []
    assert (
        await zalo_notices.amount_reserved("today")
        == await zalo_notices.amount_reserved("notices")
        == 0
    )


# --- once


async def test_the_same_notice_again_is_not_sent_again(zalo_notices):
    """Zalo itself sends a tracking id that comes again once more."""
    await zalo_notices.send()
    for _ in range(5):
        again = await zalo_notices.send(again=True)
        assert (again.verdict, again.reached_provider) == (Verdict.DELIVERED, False)
    await zalo_notices.start()
    assert (await zalo_notices.send(again=True)).verdict is Verdict.DELIVERED
    assert len(zalo_notices.messages) == 1


async def test_two_steps_to_the_same_status_are_two_messages(zalo_notices):
    await zalo_notices.send(sample_notice("5"))
    await zalo_notices.send(sample_notice("5"))
    tracked = [message["tracking_id"] for message in zalo_notices.messages]
    assert len(tracked) == len(set(tracked)) == 2


async def test_what_cannot_be_noted_is_delivered_all_the_same(zalo_notices):
    async def silent(*_, **__):
        raise Unreachable("bus")

    zalo_notices.sent.save = silent
    with structlog.testing.capture_logs() as logs:
        assert (await zalo_notices.send()).verdict is Verdict.DELIVERED
    assert "zalo_notice_not_noted" in [line["event"] for line in logs]
    assert len(zalo_notices.messages) == 1


async def test_logs_name_template_and_message_but_nobody(zalo_notices):
    with structlog.testing.capture_logs() as logs:
        await zalo_notices.send()
    [line] = [one for one in logs if one["event"] == "zalo_notice_sent"]
    assert line["message"] == zalo_notices.messages[0]["id"]
    for private in (PHONE, "Nguyễn", "H42.20", "Thủ tục"):
        assert private not in str(logs)


# --- a doubt


@pytest.mark.parametrize("kind", ["drop_before", "html_before", *LOST])
@pytest.mark.parametrize(("route", "address"), [(BY_PHONE, PHONE), (BY_USER_ID, TO_USER)])
async def test_a_lost_answer_is_a_doubt_only_a_receipt_ends(zalo_notices, kind, route, address):
    add_person(zalo_notices.account)
    code = -100 if route == BY_PHONE else -200
    zalo_notices.account.fault(route, kind, code=code)
    assert (await zalo_notices.send(address=address)).verdict is Verdict.DOUBT
    assert (await zalo_notices.resolve(address=address)).verdict is Verdict.UNKNOWN
    assert len(zalo_notices.messages) == (0 if kind.endswith("before") else 1)
    assert await zalo_notices.amount_reserved("notices") == 1, "it may have been paid for"


async def test_a_success_without_an_id_is_a_doubt(zalo_notices):
    body = b'{"error":0,"message":"Success","data":{}}'
    zalo_notices.account.replace_body("/message/template", body)
    assert (await zalo_notices.send()).verdict is Verdict.DOUBT


@pytest.mark.parametrize("address", [PHONE, TO_USER])
async def test_a_kept_id_proves_that_zalo_has_it_and_nobody_is_asked(zalo_notices, address):
    """The process died between the answer and the ledger."""
    add_person(zalo_notices.account)
    await zalo_notices.send(address=address)
    await zalo_notices.start()
    calls = count_calls(zalo_notices)
    assert await zalo_notices.resolve(address=address) == Outcome(Verdict.DELIVERED)
    assert not calls


async def test_what_can_not_be_read_settles_nothing(zalo_notices):
    await zalo_notices.send()

    async def silent(tracking_id):
        raise Unreachable("bus")

    zalo_notices.sent.message_id = silent
    doubt = await zalo_notices.resolve()
    assert doubt.verdict is Verdict.DOUBT
    assert doubt.retry_after_s > 0
