"""Template parameters of case notices: shortened where permitted, refused where not."""

import pytest

from channels.base import Verdict
from sandbox.zalo.state.templates import Param, shipped_routes
from tests.support.zalo_notices import sample_notice

LONG = "Thủ tục xét tặng danh hiệu cho người có công trong sự nghiệp xây dựng nền hành chính "


@pytest.mark.parametrize("room", [30, 40, 90])
@pytest.mark.parametrize("letters", ["", "́", "👩‍⚕️", "&\"'<"])
async def test_a_long_text_is_cut_cleanly_and_zalo_takes_it(zalo_notices, room, letters):
    await shortened(zalo_notices, "ten_thu_tuc", room)
    name = (LONG + letters) * 4
    outcome = await zalo_notices.send(sample_notice("2", procedure_name=name[:500]))
    assert outcome.verdict is Verdict.DELIVERED
    [message] = zalo_notices.messages
    said = message["content"]["text"].split("Thủ tục: ")[1].split("\n")[0]
    assert len(said) <= room
    assert said.endswith("…")
    assert said[:-1].split()[-1] in name.split(), "a whole word is its last"


async def shortened(notices, name, room, **more):
    """Zalo's template has less room for one parameter."""
    template = notices.account.sandbox.world.templates.templates[shipped_routes()["2"]]
    changed = [
        one.model_copy(update={"max_length": room} | more) if one.name == name else one
        for one in template.params
    ]
    await notices.set_template("2", params=tuple(changed))


@pytest.mark.parametrize(
    ("name", "room", "why"), [("ma_ho_so", 22, "too long"), ("ngay_hen_tra", 9, "too long")]
)
async def test_a_code_and_a_date_are_never_cut(zalo_notices, name, room, why):
    await shortened(zalo_notices, name, room)
    outcome = await zalo_notices.send()
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.FAILED, False)
    assert outcome.reason == f"template parameter {name}: {why}"
    assert zalo_notices.messages == []
    assert await zalo_notices.amount_reserved("today") == 0


async def test_money_is_never_cut_and_is_digits_where_zalo_wants_a_number(zalo_notices):
    template = zalo_notices.account.sandbox.world.templates.templates[shipped_routes()["6"]]

    async def money(**changes):
        params = tuple(
            one.model_copy(update=changes) if one.name == "so_tien" else one
            for one in template.params
        )
        await zalo_notices.set_template("6", params=params)
        return await zalo_notices.send(sample_notice("6"))

    assert (await money(max_length=8)).reason == "template parameter so_tien: too long"
    assert (await money(type="NUMBER", max_length=7)).verdict is Verdict.DELIVERED
    assert (await money()).verdict is Verdict.DELIVERED
    texts = [message["content"]["text"] for message in zalo_notices.messages]
    assert ["1250000 đồng" in texts[0], "1.250.000 đồng" in texts[1]] == [True, True]


async def add_param(notices, param):
    """Zalo's template of kind 2 has one more parameter."""
    template = notices.account.sandbox.world.templates.templates[shipped_routes()["2"]]
    await notices.set_template("2", params=(*template.params, param))


async def test_dots_that_belong_to_a_code_stay_where_zalo_wants_a_number(zalo_notices):
    """Without them it would be another procedure's; Zalo says that the template is wrong."""
    await add_param(zalo_notices, Param(name="ma_thu_tuc", type="NUMBER", max_length=30))
    outcome = await zalo_notices.send()
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "zalo -1124")


async def test_what_is_shorter_than_zalo_wants_fails_before_the_call(zalo_notices):
    await shortened(zalo_notices, "noi_nhan", 200, min_length=100)
    outcome = await zalo_notices.send()
    assert outcome.reason == "template parameter noi_nhan: too short"
    assert zalo_notices.messages == []


async def test_a_parameter_that_may_lack_is_left_out(zalo_notices):
    await add_param(zalo_notices, Param(name="lien_ket", require=False, max_length=200))
    outcome = await zalo_notices.send(sample_notice("2", detail_url=None))
    assert outcome.verdict is Verdict.DELIVERED


async def test_a_parameter_that_zalo_wants_since_lately_fails_by_name(zalo_notices):
    await add_param(zalo_notices, Param(name="lien_ket", max_length=200))
    outcome = await zalo_notices.send(sample_notice("2", detail_url=None))
    assert outcome.reason == "template parameter lien_ket: missing"


async def test_decomposed_text_is_counted_composed(zalo_notices):
    await shortened(zalo_notices, "ten_thu_tuc", 30)
    name = "ế" * 30
    notice = sample_notice("2").model_copy(update={"procedure_name": name})
    assert (await zalo_notices.send(notice)).verdict is Verdict.DELIVERED
