"""A publication is what people approved at the desk, although no event came with that text."""

import pytest

from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.intake.draft_decisions import DraftDecisions
from consumers.staff.authorization import Actor
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ActionKind
from contracts.publication import encode
from contracts.vocabulary import DEFAULT
from tests.support.check_harness import DAY_S, CheckHarness
from tests.support.events import ITEM, UNIT, submitted

K = ActionKind
PEOPLE = {K.SUBMIT: "Lê An", K.CONFIRM: "Trần Bình", K.PROPOSE: "Vũ Chi", K.APPROVE: "Đỗ Dung"}


@pytest.fixture
async def ministry(bus, tmp_path) -> CheckHarness:
    return await CheckHarness(bus, tmp_path).open(release="desk")


class Desk:
    """People who act on one item, by name."""

    def __init__(self, ministry: CheckHarness) -> None:
        self.ministry, self.number = ministry, 0
        self.acts = ItemActs(EditorialLog(ministry.bus), DEFAULT, ministry.clock)

    async def order(self, content_id: str, kind: ActionKind, by: str, **more) -> None:
        self.number += 1
        hash = (await self.acts.log.read(content_id)).state.hash
        order = Order(content_id, kind, str(self.number), hash, is_clean=True, **more)
        await self.acts.perform(order, Actor(by))
        await DraftDecisions(self.ministry.bus, self.ministry.clock).carry_out(content_id)

    async def release(self, content_id: str, *acts: ActionKind) -> None:
        for kind in acts or PEOPLE:
            await self.order(content_id, kind, PEOPLE[kind])

    async def write(self) -> str:
        data = {**submitted().data, "content_id": "", "revision": 1}
        return await self.acts.begin(NewItem(UNIT, "m", data), Actor("Lê An"))


async def test_a_text_that_people_wrote_is_as_they_approved_it(ministry):
    desk = Desk(ministry)
    content_id = await desk.write()
    await desk.release(content_id)
    assert await ministry.violations() == []


async def test_an_event_that_an_editor_changed_is_as_it_was_approved(ministry):
    desk = Desk(ministry)
    await ministry.send(submitted())
    changed = {**submitted().data, "title": "Tiêu đề đã sửa"}
    await desk.order(ITEM, K.EDIT, "Vũ Chi", data=changed)
    await desk.release(ITEM, K.PROPOSE, K.APPROVE)
    assert await ministry.violations() == []


async def test_what_a_person_withdrew_is_expected(ministry):
    desk = Desk(ministry)
    content_id = await desk.write()
    await desk.release(content_id)
    await desk.order(content_id, K.WITHDRAW, "Đỗ Dung", note="Trùng tin.")
    assert await ministry.violations() == []


RETURN = {"note": "Xin bổ sung căn cứ."}


async def test_a_returned_text_is_not_lost(ministry):
    desk = Desk(ministry)
    await ministry.send(submitted())
    await desk.order(ITEM, K.RETURN, "Vũ Chi", **RETURN)
    assert await ministry.violations(later_s=DAY_S) == []


async def test_a_returned_text_that_its_author_writes_on_is_not_lost(ministry):
    desk = Desk(ministry)
    content_id = await desk.write()
    await desk.release(content_id, K.SUBMIT)
    await desk.order(content_id, K.RETURN, "Trần Bình", **RETURN)
    changed = {**submitted().data, "title": "Tiêu đề đã sửa"}
    await desk.order(content_id, K.SAVE, "Lê An", data=changed)
    assert await ministry.violations(later_s=DAY_S) == []


async def test_another_text_than_the_approved_one_is_named(ministry):
    desk = Desk(ministry)
    content_id = await desk.write()
    await desk.release(content_id)
    [released] = await ministry.released(content_id)
    forged = released.publication.model_copy(update={"title": "Không ai duyệt"})
    subject = f"publication.{forged.topic}.{content_id}"
    await ministry.bus.publish(subject, encode(forged))
    rules = [rule for rule, _ in await ministry.violations()]
    assert "text-differs" in rules
