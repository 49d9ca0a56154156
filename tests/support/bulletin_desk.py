"""The people of a ministry who make issues of a bulletin on a Loa that runs."""

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.released import ReleasedItems
from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.release import Releaser
from consumers.key_file import open_key_file
from consumers.seals.publications import PublicationSeals
from consumers.seals.takeover import SealRecords
from consumers.staff.authorization import Actor
from contracts.base.times import utc_now
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue
from contracts.bulletins.series import Span
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ActionKind
from contracts.editorial.moves import changing_act
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.bulletin_history import SERIES, SERIES_ID
from tests.support.desk_app import DeskApp
from tests.support.loa_bus import bus_of, settings_of
from tests.support.loa_process import LoaProcess
from tests.support.publications import a_publication

K = ActionKind
PEOPLE = {K.SUBMIT: "Lê An", K.CONFIRM: "Trần Bình", K.PROPOSE: "Vũ Chi", K.APPROVE: "Đỗ Dung"}


@dataclass
class BulletinDesk:
    """Each act by the person who may do it."""

    issues: SeriesIssues
    decisions: DraftDecisions

    @property
    def acts(self) -> ItemActs:
        return ItemActs(self.decisions.log, DEFAULT, time.time)

    async def begin(self, first: date, last: date) -> BulletinIssue:
        """Propose the issue of these days, and save it as a draft."""
        issue = await self.issues.propose(SERIES_ID, Span(first, last))
        text = composition.new_text_of(issue, SERIES)
        new = NewItem(SERIES.unit, secrets.token_hex(), text, issue.content_id)
        await self.acts.begin(new, Actor(PEOPLE[K.SUBMIT]))
        return issue

    async def save(self, issue: BulletinIssue) -> None:
        """Save an edited issue."""
        state = (await self.decisions.log.read(issue.content_id)).state
        data = {**state.text.data, **composition.fields_of(issue)}
        kind = changing_act(state.status)
        await self.order(issue.content_id, kind, PEOPLE[K.SUBMIT], data=data)

    async def correct(self, content_id: str) -> BulletinIssue:
        """Correct an issue that is out as its items are now, and release that."""
        state = (await self.decisions.log.read(content_id)).state
        corrected = await self.issues.correction((await self.issues.require(content_id)).issue)
        data = {**state.text.data, **corrected.fields(state.text.data, is_new=True)}
        await self.order(content_id, changing_act(state.status), PEOPLE[K.SUBMIT], data=data)
        await self.release(content_id)
        return corrected.issue

    async def release(self, content_id: str) -> None:
        for kind, person in PEOPLE.items():
            await self.order(content_id, kind, person)

    async def order(self, content_id: str, kind: ActionKind, person: str, **more) -> None:
        hash = (await self.decisions.log.read(content_id)).state.hash
        order = Order(content_id, kind, secrets.token_hex(), hash, is_clean=True, **more)
        await self.acts.perform(order, Actor(person))
        await self.decisions.carry_out(content_id)


@asynccontextmanager
async def bulletin_desk(loa: LoaProcess) -> AsyncIterator[BulletinDesk]:
    settings = settings_of(loa)
    async with bus_of(loa) as bus:
        keys = await open_key_file(bus, settings.key_file)
        seals = await SealRecords(bus, keys, settings.seals_file).open_or_take_over(time.time)
        yield make_desk(bus, DraftDecisions(bus, time.time, seals))


def make_desk(bus: Bus, decisions: DraftDecisions) -> BulletinDesk:
    async def open_seals() -> PublicationSeals | None:
        return decisions.seals

    items = ReleasedItems(bus, open_seals)
    return BulletinDesk(SeriesIssues(items, EditorialLog(bus), DEFAULT, time.time), decisions)


async def publish_last_week(desk: DeskApp, topics: Mapping[str, str]) -> None:
    """Release items a week ago, one a minute, each with its topic."""
    releaser = Releaser(desk.bus, await desk.open_seals())
    at = utc_now(desk.clock) - timedelta(days=7)
    for number, (name, topic) in enumerate(topics.items()):
        shown = at + timedelta(minutes=number)
        item = a_publication(
            content_id=name, title=f"Tin {name}", topic=topic, summary=f"Tóm tắt {name}.",
            first_released_at=shown, released_at=shown,
        )  # fmt: skip
        await releaser.store(item)
