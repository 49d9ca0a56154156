"""A case notice by template: whom it reaches, what it says, when it goes, and what stops it."""

from collections import Counter
from datetime import datetime
from heapq import heappop, heappush

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from channels.notices import KINDS
from channels.zalo import codes
from channels.zalo.hours import local
from channels.zalo.outcomes import OPERATOR_S
from channels.zalo.sandbox import shelf
from channels.zalo.shutters import SHUT_S
from contracts import keys
from contracts.vietnam import VIETNAM
from tests.notice_stage import (
    BY_PHONE,
    BY_USER_ID,
    LOST,
    PHONE,
    USER_ID,
    a_notice,
    counting,
    noticing,
    person,
)

TO_USER = f"zalo:{USER_ID}"
LONG = "Thủ tục xét tặng danh hiệu cho người có công trong sự nghiệp xây dựng nền hành chính "


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_notice_reaches_a_phone_once(house, kind):
    outcome = await house.send(a_notice(kind))
    assert outcome == Outcome(Verdict.DELIVERED)
    [message] = house.messages
    assert (message["phone"], message["template_id"]) == (PHONE, shelf.serving()[kind])
    assert "G09.20-20260609-0092637" in message["content"]["text"]
    assert "<" not in message["content"]["text"]
    assert message["tracking_id"] == keys.tracking_id(house.row(1, PHONE).delivery_key)


async def test_the_message_says_what_the_model_sentence_says(house):
    await house.send(a_notice("2"))
    [message] = house.messages
    assert message["content"]["text"].split("\n") == [
        "Kính gửi ông/bà Nguyễn Văn A***. Hồ sơ G09.20-20260609-0092637 của ông/bà đã được "
        "tiếp nhận. Hẹn trả kết quả: 30/06/2026.",
        "Thủ tục: Thủ tục xét tặng Huân chương Lao động",
        "Nơi nhận kết quả: Trung tâm Phục vụ hành chính công tỉnh Ninh Bình",
    ]


async def test_a_user_id_takes_the_other_road_and_its_message_is_found_again(house):
    person(house.stage)
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED
    [message] = house.messages
    assert (message["via"], message["tracking_id"], message["price"]) == ("uid", "", 560)
    tracking_id = keys.tracking_id(house.row(1, TO_USER).delivery_key)
    assert await house.sent.message_id(tracking_id) == message["id"]
    assert await house.used("today") == 560


@pytest.mark.parametrize("on_top", [False, True])
async def test_the_answer_is_read_in_both_of_its_forms(house, on_top):
    person(house.stage)
    house.stage.rules(sent_time_on_top=on_top)
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    "address", ["", "0912345678", "+84912345678", "842438241234", "zalo:", "zalo:x", "a@b.vn"]
)
async def test_what_is_no_address_at_zalo_is_left_to_another_channel(house, address):
    outcome = await house.send(address=address)
    assert (outcome.verdict, outcome.asked) == (Verdict.SUPPRESSED, False)
    assert house.messages == []


async def test_a_row_that_is_nobody_gets_nothing(house):
    rendered = house.channel.render(a_notice())
    row = house.row(1, PHONE)
    async with house.channel.session() as session:
        other = type(row)("article", row.delivery_key, row.address)
        [outcome] = await session.send(rendered, [other], lambda: False)
    assert outcome.verdict is Verdict.FAILED
    assert house.messages == []


async def test_nothing_is_sent_after_the_deadline_and_nothing_stays_set_aside(house):
    asked = iter([False, True])
    outcome = await house.send(expired=lambda: next(asked))
    assert outcome.verdict is Verdict.UNSENT
    assert house.messages == []
    assert await house.used("today") == await house.used("notices") == 0


# --- once


async def test_the_same_notice_again_is_not_sent_again(house):
    """Zalo itself sends a tracking id that comes again once more."""
    await house.send()
    for _ in range(5):
        again = await house.send(again=True)
        assert (again.verdict, again.asked) == (Verdict.DELIVERED, False)
    await house.start()
    assert (await house.send(again=True)).verdict is Verdict.DELIVERED
    assert len(house.messages) == 1


async def test_two_steps_to_the_same_status_are_two_messages(house):
    await house.send(a_notice("5"))
    await house.send(a_notice("5"))
    tracked = [message["tracking_id"] for message in house.messages]
    assert len(tracked) == len(set(tracked)) == 2


async def test_what_cannot_be_noted_is_delivered_all_the_same(house):
    async def silent(*_, **__):
        raise Unreachable("bus")

    house.sent.keep = silent
    with structlog.testing.capture_logs() as logs:
        assert (await house.send()).verdict is Verdict.DELIVERED
    assert "zalo_notice_not_noted" in [line["event"] for line in logs]
    assert len(house.messages) == 1


async def test_logs_name_template_and_message_but_nobody(house):
    with structlog.testing.capture_logs() as logs:
        await house.send()
    [line] = [one for one in logs if one["event"] == "zalo_notice_sent"]
    assert line["message"] == house.messages[0]["id"]
    for private in (PHONE, "Nguyễn", "G09.20", "Thủ tục"):
        assert private not in str(logs)


# --- a doubt


@pytest.mark.parametrize("kind", ["drop_before", "html_before", *LOST])
@pytest.mark.parametrize(("route", "address"), [(BY_PHONE, PHONE), (BY_USER_ID, TO_USER)])
async def test_a_lost_answer_is_a_doubt_that_only_a_receipt_ends(house, kind, route, address):
    person(house.stage)
    code = -100 if route == BY_PHONE else -200
    house.stage.fault(route, kind, code=code)
    assert (await house.send(address=address)).verdict is Verdict.DOUBT
    assert (await house.resolve(address=address)).verdict is Verdict.UNKNOWN
    assert len(house.messages) == (0 if kind.endswith("before") else 1)
    assert await house.used("notices") == 1, "it may have been paid for"


async def test_a_success_without_an_id_is_a_doubt(house, monkeypatch):
    transport = house.channel.api.transport
    original = transport.exchange

    async def without_id(request):
        reply = await original(request)
        if not request.url.endswith("/message/template"):
            return reply
        return type(reply)(200, reply.headers, b'{"error":0,"message":"Success","data":{}}')

    monkeypatch.setattr(transport, "exchange", without_id)
    assert (await house.send()).verdict is Verdict.DOUBT


async def test_two_hundred_answers_lost_after_their_effect_are_two_hundred_unknown(house):
    """No message twice, whatever follows: the ledger never sends what is unknown."""
    house.stage.rules(per_minute=100_000)
    for number in range(200):
        house.stage.fault(BY_PHONE, LOST[number % len(LOST)], code=-100)
        assert (await house.send(a_notice(KINDS[number % 11]))).verdict is Verdict.DOUBT
        assert (await house.resolve()).verdict is Verdict.UNKNOWN
    times = Counter(message["tracking_id"] for message in house.messages)
    assert (len(times), set(times.values())) == (200, {1})
    assert await house.used("notices") == 200


@pytest.mark.parametrize("address", [PHONE, TO_USER])
async def test_a_kept_id_proves_that_zalo_has_it_and_nobody_is_asked(house, address):
    """The process died between the answer and the ledger."""
    person(house.stage)
    await house.send(address=address)
    await house.start()
    calls = counting(house)
    assert await house.resolve(address=address) == Outcome(Verdict.DELIVERED)
    assert not calls


async def test_what_can_not_be_read_settles_nothing(house):
    await house.send()

    async def silent(tracking_id):
        raise Unreachable("bus")

    house.sent.message_id = silent
    doubt = await house.resolve()
    assert doubt.verdict is Verdict.DOUBT
    assert doubt.after_s > 0


# --- what fits


@pytest.mark.parametrize("room", [30, 40, 90])
@pytest.mark.parametrize("letters", ["", "́", "👩‍⚕️", "&\"'<"])
async def test_a_long_text_is_cut_cleanly_and_zalo_takes_it(house, room, letters):
    await shortened(house, "ten_thu_tuc", room)
    name = (LONG + letters) * 4
    outcome = await house.send(a_notice("2", procedure_name=name[:500]))
    assert outcome.verdict is Verdict.DELIVERED
    [message] = house.messages
    said = message["content"]["text"].split("Thủ tục: ")[1].split("\n")[0]
    assert len(said) <= room
    assert said.endswith("…")
    assert said[:-1].split()[-1] in name.split(), "a whole word is its last"


async def shortened(house, name, room, **more):
    """Zalo's template has less room for one parameter."""
    template = house.stage.sandbox.world.shelf.templates[shelf.serving()["2"]]
    changed = [
        one.model_copy(update={"max_length": room} | more) if one.name == name else one
        for one in template.params
    ]
    await house.set_template("2", params=tuple(changed))


@pytest.mark.parametrize(
    ("name", "room", "why"), [("ma_ho_so", 22, "too long"), ("ngay_hen_tra", 9, "too long")]
)
async def test_a_code_and_a_date_are_never_cut(house, name, room, why):
    await shortened(house, name, room)
    outcome = await house.send()
    assert (outcome.verdict, outcome.asked) == (Verdict.FAILED, False)
    assert outcome.reason == f"template parameter {name}: {why}"
    assert house.messages == []
    assert await house.used("today") == 0


async def test_money_is_never_cut_and_is_digits_where_zalo_wants_a_number(house):
    template = house.stage.sandbox.world.shelf.templates[shelf.serving()["6"]]

    async def money(**changes):
        params = tuple(
            one.model_copy(update=changes) if one.name == "so_tien" else one
            for one in template.params
        )
        await house.set_template("6", params=params)
        return await house.send(a_notice("6"))

    assert (await money(max_length=8)).reason == "template parameter so_tien: too long"
    assert (await money(type="NUMBER", max_length=7)).verdict is Verdict.DELIVERED
    assert (await money()).verdict is Verdict.DELIVERED
    texts = [message["content"]["text"] for message in house.messages]
    assert ["1250000 đồng" in texts[0], "1.250.000 đồng" in texts[1]] == [True, True]


async def test_dots_that_belong_to_a_code_stay_where_zalo_wants_a_number(house):
    """Without them it would be another procedure's; Zalo says that the template is wrong."""
    code = shelf.Param(name="ma_thu_tuc", type="NUMBER", max_length=30)
    template = house.stage.sandbox.world.shelf.templates[shelf.serving()["2"]]
    await house.set_template("2", params=(*template.params, code))
    outcome = await house.send()
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "zalo -1124")


async def test_a_business_is_spoken_to_as_a_business(house):
    await house.send(a_notice("2", applicant_kind="business", applicant_name="Công ty A"))
    [message] = house.messages
    text = message["content"]["text"]
    assert text.startswith("Kính gửi quý doanh nghiệp Công ty A. Hồ sơ")
    assert "của quý doanh nghiệp đã được tiếp nhận" in text
    assert "ông/bà" not in text


async def test_what_is_shorter_than_zalo_wants_fails_before_the_call(house):
    await shortened(house, "noi_nhan", 200, min_length=100)
    outcome = await house.send()
    assert outcome.reason == "template parameter noi_nhan: too short"
    assert house.messages == []


async def test_a_parameter_that_may_lack_is_left_out(house):
    link = shelf.Param(name="lien_ket", require=False, max_length=200)
    template = house.stage.sandbox.world.shelf.templates[shelf.serving()["2"]]
    await house.set_template("2", params=(*template.params, link))
    assert (await house.send(a_notice("2", detail_url=None))).verdict is Verdict.DELIVERED


async def test_a_parameter_that_zalo_wants_since_lately_fails_by_name(house):
    link = shelf.Param(name="lien_ket", max_length=200)
    template = house.stage.sandbox.world.shelf.templates[shelf.serving()["2"]]
    await house.set_template("2", params=(*template.params, link))
    outcome = await house.send(a_notice("2", detail_url=None))
    assert outcome.reason == "template parameter lien_ket: missing"


async def test_decomposed_text_is_counted_composed(house):
    await shortened(house, "ten_thu_tuc", 30)
    name = "ế" * 30
    notice = a_notice("2").model_copy(update={"procedure_name": name})
    assert (await house.send(notice)).verdict is Verdict.DELIVERED


# --- approvals


@pytest.mark.parametrize("state", ["PENDING_REVIEW", "REJECT", "DISABLE", "DELETE"])
async def test_a_template_that_is_not_approved_holds_its_rows_and_nothing_else(house, state):
    await house.set_template("2", status=state)
    outcome = await house.send(a_notice("2"))
    assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
    assert state in outcome.reason
    assert (await house.send(a_notice("4"))).verdict is Verdict.DELIVERED
    assert len(house.messages) == 1


async def test_rows_that_wait_go_when_zalo_approves_and_wait_again_when_it_no_longer_does(house):
    id = shelf.serving()["2"]
    for _ in range(3):
        await house.templates.heard(id, state="DISABLE")
        held = await house.send()
        assert held.verdict is Verdict.HELD
        house.clock.advance(held.after_s)
        assert (await house.send(again=True)).verdict is Verdict.HELD
        await house.templates.heard(id, state="ENABLE")
        assert (await house.send(again=True)).verdict is Verdict.DELIVERED
    assert len(house.messages) == 3


async def test_another_process_hears_of_it_within_a_minute(house):
    mine = house.templates
    await house.start()
    assert (await house.send()).verdict is Verdict.DELIVERED
    await mine.heard(shelf.serving()["2"], state="DISABLE")
    house.clock.advance(61)
    assert (await house.send()).verdict is Verdict.HELD


async def test_a_kind_without_a_template_waits_and_somebody_is_told_once(house):
    await house.templates.remove("5")
    with structlog.testing.capture_logs() as logs:
        outcomes = [await house.send(a_notice("5")) for _ in range(20)]
    assert {(one.verdict, one.after_s) for one in outcomes} == {(Verdict.HELD, OPERATOR_S)}
    [line] = [one for one in logs if one["event"] == "zalo_operator_needed"]
    assert line["fix"] == codes.fix("route")
    assert house.messages == []


async def test_an_approval_that_ended_unheard_holds_the_row_and_asks_the_operator(house):
    world = house.stage.sandbox.world
    now = world.shelf.templates[shelf.serving()["2"]].model_copy(update={"status": "DISABLE"})
    world.record("template_set", template=now.model_dump(mode="json"))
    with structlog.testing.capture_logs() as logs:
        outcome = await house.send()
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, OPERATOR_S)
    assert "zalo_operator_needed" in [line["event"] for line in logs]
    assert await house.used("today") == 0
    calls = counting(house)
    assert [(await house.send()).verdict for _ in range(9)] == [Verdict.HELD] * 9
    assert not calls, "one refusal was enough"


async def test_what_wants_an_operator_is_not_asked_by_every_row(house):
    house.stage.fault(BY_PHONE, "refuse", code=-115, times=99)
    calls = counting(house)
    outcomes = [await house.send() for _ in range(50)]
    assert {one.verdict for one in outcomes} == {Verdict.HELD}
    assert [one.asked for one in outcomes].count(True) == calls["template"] == 1
    assert all(one.after_s <= SHUT_S for one in outcomes[1:])
    house.clock.advance(SHUT_S + 1)
    await house.send()
    assert calls["template"] == 2


async def test_a_template_that_zalo_calls_good_and_refuses_is_asked_about_once_a_minute(house):
    house.stage.fault(BY_PHONE, "refuse", code=-117, times=99)
    calls = counting(house)
    for _ in range(9):
        assert (await house.send()).verdict is Verdict.HELD
    assert (calls["template"], calls["v2"]) == (1, 1)
    house.stage.fault("business.info", "html_before", times=9)
    house.clock.advance(SHUT_S + 1)
    assert (await house.send()).verdict is Verdict.HELD


@pytest.mark.parametrize("code", [-235, -240, -212, -224])
async def test_what_stops_messages_by_user_id_stops_none_by_phone(house, code):
    person(house.stage)
    house.stage.fault(BY_USER_ID, "refuse", code=code, words="no", times=9)
    assert [(await house.send(address=TO_USER)).asked for _ in range(3)] == [True, False, False]
    assert (await house.send()).verdict is Verdict.DELIVERED
    house.stage.fault(BY_PHONE, "refuse", code=-115, times=9)
    assert [(await house.send()).asked for _ in range(3)] == [True, False, False]
    house.clock.advance(SHUT_S + 1)
    house.stage.sandbox.faults.planned.clear()
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED


async def test_what_stops_messages_by_phone_stops_none_by_user_id(house):
    person(house.stage)
    house.stage.fault(BY_PHONE, "refuse", code=-138)
    assert (await house.send()).verdict is Verdict.HELD
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED


# --- hours


@pytest.mark.parametrize("tag", ["TRANSACTION"])
@pytest.mark.parametrize("time", ["00:00:00", "03:30:00", "06:59:59", "21:30:00", "23:59:59"])
async def test_news_of_ones_own_dossier_goes_at_any_hour(house, tag, time):
    house.at(time)
    await house.set_template("2", tag=tag)
    assert (await house.send()).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("tag", ["CUSTOMER_CARE", "PROMOTION"])
@pytest.mark.parametrize(
    ("time", "goes", "release"),
    [
        ("06:59:59", False, "16 07:10"),
        ("07:00:00", True, ""),
        ("12:00:00", True, ""),
        ("21:29:59", True, ""),
        ("21:30:00", False, "17 07:10"),
        ("23:59:59", False, "17 07:10"),
        ("00:00:00", False, "16 07:10"),
    ],
)
async def test_what_can_wait_goes_by_day(house, tag, time, goes, release):
    person(house.stage)
    house.at(time)
    await house.set_template("2", tag=tag)
    outcome = await house.send(address=TO_USER)
    assert (outcome.verdict is Verdict.DELIVERED) == goes, outcome
    if not goes:
        assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
        assert f"{local(house.clock() + outcome.after_s):%d %H:%M}" == release
        assert house.messages == []


async def test_the_hours_are_zalos_even_when_our_clock_is_wrong(house):
    await house.set_template("2", tag="CUSTOMER_CARE")
    noon = datetime(2027, 1, 15, 12, tzinfo=VIETNAM).timestamp()
    house.clock.advance(12 * 3600)
    house.stage.sandbox.world.tokens.expires = 1e12
    house.stage.sandbox.clock.set(noon)
    await house.start()
    assert local(house.clock()).hour == 0
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_without_zalos_time_what_can_wait_waits(house):
    await house.set_template("2", tag="CUSTOMER_CARE")
    await house.start()
    house.stage.fault("business.quota", "html_before", times=9)
    assert (await house.send()).verdict is Verdict.HELD
    assert house.messages == []


async def test_a_virtual_week_sends_nothing_outside_its_hours(house):
    """A notice an hour, day and night, of both tags; what is held comes back spread, and goes."""
    await house.set_template("2", tag="CUSTOMER_CARE")
    house.at("2027-01-18 00:30:00")
    house.channel.notices.pace = Spread()
    queue = [(house.clock() + number * 1800, number) for number in range(2 * 7 * 24)]
    released = []
    while queue:
        due, house.revision = heappop(queue)
        house.clock.now = max(house.clock.now, due)
        outcome = await house.send(a_notice("24"[house.revision % 2]), again=True)
        if outcome.verdict is Verdict.HELD:
            released.append(house.clock() + outcome.after_s)
            heappush(queue, (released[-1], house.revision))
    sent = {tag: list(sent_at(house, tag)) for tag in ("CUSTOMER_CARE", "TRANSACTION")}
    assert {tag: len(times) for tag, times in sent.items()} == dict.fromkeys(sent, 7 * 24)
    times = [f"{local(at):%H:%M:%S}" for at in sent["CUSTOMER_CARE"]]
    assert (min(times) >= "07:00:00", max(times) < "21:30:00") == (True, True)
    assert len({local(at).hour for at in sent["TRANSACTION"]}) == 24
    assert len(released) >= 7 * 9
    assert all("07:05" <= f"{local(at):%H:%M}" <= "07:15" for at in released)
    assert len(set(released)) == len(released), "not all at once"


class Spread:
    """Chances that differ."""

    def __init__(self):
        self.number = 0

    def chance(self):
        self.number += 1
        return self.number * 0.37 % 1


def sent_at(house, tag):
    """When the messages of a tag were taken, by Zalo's own log."""
    for fact in house.stage.sandbox.world.journal.facts():
        if fact["kind"] == "template_sent" and fact["message"]["tag"] == tag:
            yield datetime.fromisoformat(fact["at"]).timestamp()
