"""Who reads a campaign: its unit, the Center, and the units that its plan names. Others do not.

The units of the plan read it as their own items, and act on it no more than others do.
"""

from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from consumers.editorial.log import EditorialLog
from consumers.staff.policy import Grant
from contracts.editorial import Status
from tests.producers.desk.test_campaigns import (
    ITEM,
    NAME,
    PLAN,
    SECRET,
    drafted,
    proposal,
    proposed,
)
from tests.support.listed_items import listed_text, save
from tests.support.newsroom import FIELDS, open_newsroom

PARTNER, OWNER, OTHER = "vu-phap-che", "van-phong-bo", "vu-cai-cach-hanh-chinh"
OFFICER, LEADER, EDITOR = "nguoi-gui-tin", "lanh-dao-don-vi", "bien-tap-vien"
APPROVER, AUDITOR, DUTY = "lanh-dao-duyet", "kiem-tra-doc-lap", "truc-khan"
PEOPLE = {
    "officer": (OFFICER, PARTNER, ()),
    "leader": (LEADER, PARTNER, ()),
    "leader elsewhere": (LEADER, OTHER, (PARTNER,)),
    "editor": (EDITOR, OTHER, (PARTNER,)),
    "auditor": (AUDITOR, OTHER, (PARTNER,)),
    "approver": (APPROVER, OTHER, (PARTNER,)),
    "officer of another unit": (OFFICER, OTHER, ()),
    "leader of another unit": (LEADER, OTHER, ()),
    "editor of another unit": (EDITOR, OWNER, (OTHER,)),
    "duty of another unit": (DUTY, OWNER, (OTHER,)),
}
"""Role, unit, and the units that the role is granted for."""
READERS = {"leader", "leader elsewhere", "editor", "auditor", "approver"}
ROUTES = (
    *(ITEM, PLAN, f"{PLAN}/bao-cao", f"{ITEM}/duyet"),
    *(f"{ITEM}/xem-truoc", f"{ITEM}/se-toi-ai"),
)
ACTS = (
    *("chuyen-de", "sua", "doi-gio", "gui", "xac-nhan", "trinh", "duyet"),
    *("tra-lai", "bo", "tu-choi", "go", "gop-y"),
)


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


@asynccontextmanager
async def people(desk):
    """The browser of each of PEOPLE."""
    async with AsyncExitStack() as stack:
        found = {}
        for number, (name, (role, unit, units)) in enumerate(PEOPLE.items()):
            login, desk.unit = f"ai-{number}", unit
            desk.names[login] = f"Người {number}"
            account = await desk.active(login, role)
            await desk.accounts.set_grants(account.id, (Grant(role=role, units=units),))
            browser = desk.browser(await desk.session_of(login))
            found[name] = await stack.enter_async_context(browser)
        yield found


async def test_each_route_and_list_is_open_to_who_reads_for_a_unit_of_the_plan(newsroom):
    await proposed(newsroom)
    async with people(newsroom.desk) as browsers:
        for name, browser in browsers.items():
            expected = 200 if name in READERS else 403
            for route in ROUTES:
                assert (await browser.get(route)).status_code == expected, (name, route)
            for page in ("/chuyen-de", "/tin"):
                is_listed = f"/tin/{NAME}" in (await browser.get(page)).text
                assert is_listed is (name in READERS), (name, page)


async def test_the_units_of_a_plan_do_nothing_to_the_campaign(newsroom):
    await proposed(newsroom)
    await newsroom.press("an", ITEM, "gui")
    index = newsroom.desk.index
    before = await index.get(NAME)
    form = proposal(newsroom, purpose="Việc khác.") | FIELDS
    form |= {"act_id": "a" * 32, "note": "Không.", "clean": "1", "code": "other"}
    async with people(newsroom.desk) as browsers:
        for name in ("leader", "leader elsewhere", "officer"):
            for act in ACTS:
                done = await browsers[name].post(f"{ITEM}/{act}", **form, hash=before.hash)
                assert done.status_code in (403, 409, 422), (name, act)
        assert f'action="{PLAN}"' not in (await browsers["leader"].get(PLAN)).text
    after = await index.get(NAME)
    assert (after.hash, after.stored_status) == (before.hash, Status.SUBMITTED)


async def test_a_unit_that_the_newest_plan_leaves_out_reads_the_campaign_no_longer(newsroom):
    await proposed(newsroom)
    async with people(newsroom.desk) as browsers:
        assert SECRET in (await browsers["leader"].get(PLAN)).text
        await drafted(newsroom, **{"partners": [], "entries.1.unit": ""})
        assert (await browsers["leader"].get(PLAN)).status_code == 403
        assert f"/tin/{NAME}" not in (await browsers["leader"].get("/chuyen-de")).text


async def test_what_is_not_out_is_shown_on_a_campaigns_page_to_who_may_read_it(newsroom):
    await proposed(newsroom)
    log = EditorialLog(newsroom.desk.bus)
    for unit in (PARTNER, OTHER):
        text = listed_text(unit, campaign=NAME, title=f"Nháp của {unit}")
        await log.act(f"nhap-{unit}", save("ai-viet", text))
    async with people(newsroom.desk) as browsers:
        page = (await browsers["leader"].get(PLAN)).text
        assert f"Nháp của {PARTNER}" in page
        assert f"Nháp của {OTHER}" not in page
    page = (await newsroom["binh"].get(PLAN)).text
    assert "Nháp của" not in page, "the campaign's own unit reads no other unit's drafts"
