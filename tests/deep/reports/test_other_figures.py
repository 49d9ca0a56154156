"""The report of a campaign, and the portal's page of figures: both equal a recount of raw facts."""

import io
import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import docx
import pytest

from channels.portal.model.figures import figures_json
from consumers.campaigns.report_files import CampaignReports
from consumers.facts.public_figures import read_public_figures
from consumers.facts.store import FactStore
from contracts import facts
from contracts.base.working_days import default_working_days
from contracts.campaigns.progress import CampaignItem, progress_of
from contracts.campaigns.reported import ReportedCampaign
from contracts.delivery import ChannelName
from contracts.vocabulary import DEFAULT
from tests.deep.reports import recount
from tests.deep.reports.test_random_histories import FIRST, NO_DATA, SPAN, history
from tests.deep.reports.test_year import ROOT
from tests.deep.reports.year_of_facts import Told
from tests.support.campaigns import CAMPAIGN, a_plan

DAY = timedelta(days=1)
TODAY = SPAN.last + 5 * DAY
PLAN = a_plan(
    first_day=str(FIRST + 10 * DAY),
    last_day=str(FIRST + 30 * DAY),
    entries=[],
    targets=[{"metric": one, "number": 40_000} for one in ("items", "delivered", "opinions")],
)
TEXTS = recount._toml(ROOT / "consumers/periodic_reports/contents/texts.vi.toml")
NAMES = {TEXTS["indicators"][name]["name"]: name for name in TEXTS["indicators"]}
CHANNELS = {name: channel for channel, name in TEXTS["channels"].items()}


async def stored(bus, told: list[Told]) -> None:
    """Facts in the stream, sealed as Loa's own; one that was told again in place of the first."""
    store = FactStore(bus)
    for key, fact in told:
        known = await store.read(key)
        assert await store.add(facts.decode(key, json.dumps(fact).encode()), known.seq)


def newest_in(url: str) -> dict[str, recount.Fact]:
    found = recount.messages(url)
    return {subject.removeprefix("fact."): json.loads(body) for subject, body in found}


def campaign_of(chance: random.Random, newest: dict[str, recount.Fact]) -> ReportedCampaign:
    """A campaign of some items as readers had them, each of which is withdrawn or is not."""
    releases = [*recount._releases(newest)]
    first = {
        fact["content_id"]: recount._day(fact["shown_at"])
        for fact in releases
        if fact["action"] == "published"
    }
    gone = {fact["content_id"] for fact in releases if fact["action"] == "withdrawn"}
    chosen = sorted({*chance.sample(sorted(first), 12), *gone})
    items = [
        CampaignItem(one, f"Tin {one}", "van-phong-bo", None, {ChannelName.PORTAL: first[one]})
        for one in chosen
    ]
    out = [one for one in items if one.content_id not in gone]
    progress = progress_of(PLAN, out, TODAY, default_working_days().is_working)
    withdrawn = tuple(one for one in items if one.content_id in gone)
    return ReportedCampaign(CAMPAIGN, "Thử", "van-phong-bo", PLAN, progress, TODAY, withdrawn)


def opinions_afterwards(chance: random.Random, campaign: ReportedCampaign) -> Iterator[Told]:
    """Opinions of readers on some items after all days of the report."""
    day = SPAN.last + 2 * DAY
    for name in chance.sample(campaign.content_ids, 4):
        pressed = {"portal": {"satisfied": chance.randrange(1, 3000)}}
        yield Told(
            f"opinions.{day}.{name}", {"on": str(day), "content_id": name, "counts": pressed}
        )


def number(text: str) -> Decimal | None:
    """The figure in a cell; a mark behind it says that it lacks days."""
    plain = text.removesuffix(TEXTS["missing"]["mark"]).replace(".", "").replace(",", ".")
    return None if text == NO_DATA else Decimal(plain)


class Counted:
    """The recount of a campaign's items alone, on the days of its report and on other days."""

    def __init__(self, newest: dict[str, recount.Fact], campaign: ReportedCampaign) -> None:
        self.rules = recount.Rules.read(ROOT, FIRST)
        own = {
            key: fact
            for key, fact in newest.items()
            if key.startswith("day.") or fact.get("content_id") in campaign.content_ids
        }
        self.year = recount.Year(own, *campaign.counted_days, self.rules)
        self.counts = [*recount._all_counts(own, self.rules)]
        self.figures = dict(recount.figures(self.year, self.rules))

    def value(self, name: str, part: str = "total ") -> Decimal | None:
        """None also where no fact names the part."""
        found = self.figures.get(f"{name} {part}", {"value": "0"})["value"]
        return None if found is None else Decimal(found)

    def beside(self, name: str) -> int:
        """Count of other days."""
        kinds, days = self.rules.indicators[name]["kinds"], self.year.days
        return sum(one.times for one in self.counts if one.kind in kinds and one.day not in days)


@pytest.mark.parametrize("seed", range(3))
async def test_the_report_of_a_campaign_says_what_a_recount_of_its_items_says(
    bus, nats_server, tmp_path, seed
):
    chance = random.Random(seed)
    await stored(bus, history(chance))
    campaign = campaign_of(chance, newest_in(nats_server.url))
    await stored(bus, [*opinions_afterwards(chance, campaign)])
    counted = Counted(newest_in(nats_server.url), campaign)
    body = await CampaignReports(bus, DEFAULT, tmp_path / "none").render(campaign, "docx")
    document = docx.Document(io.BytesIO(body))
    *_, targets, figures = [
        [[cell.text for cell in row.cells] for row in table.rows]
        for table in document.tables
        if len(table.rows) > 2
    ]
    compare_figures(counted, figures)
    compare_targets(counted, campaign, targets)
    others = {name: count for name in TOLD_BESIDE if (count := counted.beside(name))}
    assert beside(document) == others
    assert others["opinions_received"] > 0


TOLD_BESIDE = (
    *("items_published", "items_corrected", "items_withdrawn"),
    *("delivered", "failed", "opinions_received"),
)


def compare_figures(counted: Counted, rows: list[list[str]]) -> None:
    head, *rows = rows
    channels = [CHANNELS[name] for name in head[2:]]
    assert len(rows) == 8
    compared = 0
    for name, whole, *parts in rows:
        assert number(whole) == counted.value(NAMES[name]), name
        for channel, text in zip(channels, parts, strict=True):
            if text:
                assert number(text) == counted.value(NAMES[name], f"channel {channel}"), name
                compared += 1
    assert compared > 10


def compare_targets(counted: Counted, campaign: ReportedCampaign, rows: list[list[str]]) -> None:
    reached = {row[0]: number(row[2]) for row in rows[1:]}
    for metric in ("delivered", "opinions"):
        indicator = {"delivered": "delivered", "opinions": "opinions_received"}[metric]
        assert reached[TEXTS["campaign"]["metrics"][metric]] == counted.value(indicator)
    items = reached[TEXTS["campaign"]["metrics"]["items"]]
    assert items == len(campaign.progress.published)


def beside(document: Any) -> dict[str, int]:
    """Counts of other days in the report, by indicator."""
    start = TEXTS["campaign"]["other_days"].partition("{")[0]
    told = [one.text for one in document.paragraphs if one.text.startswith(start)]
    pairs = re.findall(r"([^:;]+): ([\d.]+)", told[0].removeprefix(start)) if told else ()
    return {NAMES[name.strip()]: int(text.replace(".", "")) for name, text in pairs}


def with_few_readers(told: list[Told]) -> list[Told]:
    """The same, with urgent mails to a few people, and pages whose times are not known."""
    return [one._replace(fact=_changed(one)) for one in told]


def _changed(one: Told) -> recount.Fact:
    if one.key.startswith("delivery.email") and one.fact["lane"] == "urgent":
        return one.fact | {"counts": {"delivered": 4}, "within_10_s": 2}
    if one.key.startswith("delivery.portal") and one.fact["lane"] == "bulk":
        return {name: value for name, value in one.fact.items() if name != "within_10_s"}
    return one.fact


@pytest.mark.parametrize("seed", range(4))
async def test_the_portals_page_says_what_a_recount_of_the_last_days_says(bus, nats_server, seed):
    told = with_few_readers(history(random.Random(100 + seed)))
    await stored(bus, told)
    today = SPAN.last + DAY
    noon = datetime(today.year, today.month, today.day, 5, tzinfo=UTC)
    page = json.loads(figures_json(await read_public_figures(bus, noon.timestamp)))
    counted = recount.public(newest_in(nats_server.url), today)
    assert page == counted
    reasons = {row["missing"] for row in (*page["lanes"], *page["days"])}
    assert reasons & {"few_readers", "no_data"}
