"""Administration over HTTP: two people, the step-up, and fields that a form has not."""

import asyncio
import re

import pytest

from consumers.staff.policy import Grant
from producers.desk.rendering import desk_texts
from tests.support.desk_app import DeskApp, heading

MANAGER, EDITOR = "quan-tri-tai-khoan", "bien-tap-vien"
NEW = {"login": "cuong", "name": "Phạm Văn Cường", "unit": "van-phong-bo", "role": EDITOR}
ADD = "/nhan-su/them"
SECRET = re.compile(r"<code>([^<]+)</code>")
DONE, STEP_UP = desk_texts()["submitted"]["title"], desk_texts()["title"]["step_up"]


@pytest.fixture
async def managers(desk):
    """The browsers of two account managers who have just signed in."""
    async with desk.signed_in("an", MANAGER) as one, desk.signed_in("binh", MANAGER) as two:
        yield one, two


@pytest.mark.promise("15.4")
async def test_one_manager_proposes_and_another_one_confirms_what_is_shown(desk, managers):
    one, two = managers
    proposed = await one.press(ADD, ADD, **NEW)
    assert heading(proposed) == DONE and not SECRET.search(proposed.text)
    assert await desk.accounts.find_by_login("cuong") is None
    page = await two.get("/de-nghi")
    assert "Phạm Văn Cường" in page.text and "vai trò: Biên tập viên" in page.text
    assert "đơn vị Văn phòng Bộ" in page.text, "words, not codes"
    [confirm] = re.findall(r'action="(/de-nghi/[0-9a-f]{64}/dong-y)"', page.text)
    assert confirm not in (await one.get("/de-nghi")).text, "nobody confirms their own"
    assert heading(await one.post(confirm)) == DONE
    assert await desk.accounts.find_by_login("cuong") is None
    done = await two.submit(page, confirm)
    assert SECRET.search(done.text)
    account = await desk.accounts.require("cuong")
    assert (account.state, account.grants) == ("invited", (Grant(role=EDITOR),))
    assert (await two.post(confirm)).status_code == 404, "used up"


async def test_of_two_managers_who_confirm_at_once_one_acts_and_nothing_waits_anew(desk, managers):
    one, two = managers
    async with desk.signed_in("chi", MANAGER) as three:
        await one.press(ADD, ADD, **NEW)
        pages = [await manager.get("/de-nghi") for manager in (two, three)]
        [confirm] = re.findall(r'action="(/de-nghi/[0-9a-f]{64}/dong-y)"', pages[0].text)
        each = zip((two, three), pages, strict=True)
        answers = await asyncio.gather(*(one.submit(page, confirm) for one, page in each))
        assert sorted(answer.status_code for answer in answers) in ([200, 404], [200, 409])
        assert [bool(SECRET.search(answer.text)) for answer in answers].count(True) == 1
        assert "/dong-y" not in (await one.get("/de-nghi")).text + (await two.get("/de-nghi")).text
        assert await desk.bus.bucket("sessions").keys("proposal.") == []


async def test_a_proposal_that_is_refused_is_gone(desk, managers):
    one, two = managers
    await one.press(ADD, ADD, **NEW)
    page = await two.get("/de-nghi")
    [refuse] = re.findall(r'action="(/de-nghi/[0-9a-f]{64}/tu-choi)"', page.text)
    assert (await two.submit(page, refuse)).headers["location"] == "/de-nghi"
    assert (await two.post(refuse)).status_code == 404
    assert heading(await two.press(ADD, ADD, **NEW)) == DONE
    assert await desk.accounts.find_by_login("cuong") is None, "it takes two again"


async def test_what_was_proposed_at_a_terminal_is_confirmed_at_the_desk(desk, managers):
    account = await desk.active("dung", EDITOR)
    an = await desk.desk.find(managers[0].token)
    await an.submit({"do": "staff.reset", "account": account.id})
    page = await managers[1].get("/de-nghi")
    [confirm] = re.findall(r'action="(/de-nghi/[0-9a-f]{64}/dong-y)"', page.text)
    done = await managers[1].submit(page, confirm)
    assert "(dung)" in done.text and SECRET.search(done.text)
    assert (await desk.accounts.require("dung")).state == "invited"


@pytest.mark.promise("15.4")
async def test_an_act_asks_for_a_code_again_after_5_minutes_and_keeps_the_form(desk, managers):
    one, _ = managers
    page = await one.get(ADD)
    desk.clock.advance(301)
    before = one.token
    asked = await one.submit(page, ADD, **NEW)
    assert (asked.status_code, heading(asked)) == (403, STEP_UP)
    assert await one_proposal(desk) == 0
    for wrong in ("", "000000"):
        refused = await one.submit(asked, ADD, code=wrong)
        assert (refused.status_code, heading(refused)) == (403, STEP_UP)
    assert one.token == before
    done = await one.submit(asked, ADD, code=desk.code())
    assert (done.status_code, heading(done)) == (200, DONE)
    assert await one_proposal(desk) == 1
    assert one.token != before
    assert (await one.press(ADD, ADD, **NEW | {"login": "dung"})).status_code == 200
    assert await desk.sessions.find(before) is None, "the new one has been shown"
    replayed = await one.submit(asked, ADD, code=desk.code())
    assert replayed.status_code == 403, "the seal was the old session's"


async def one_proposal(desk) -> int:
    return len(await desk.bus.bucket("sessions").keys("proposal."))


async def test_disabling_takes_one_manager_and_no_code_and_ends_sessions_at_once(desk, managers):
    async with desk.signed_in("dung", EDITOR) as other:
        desk.clock.advance(301)
        path = f"/nhan-su/{(await desk.accounts.require('dung')).id}"
        assert heading(await managers[0].press(path, f"{path}/khoa")) == DONE
        assert (await desk.accounts.require("dung")).state == "disabled"
        assert (await other.get("/")).headers["location"] == "/dang-nhap"


@pytest.mark.parametrize("extra", ["role", "roles", "grants", "state", "account", "id", "login"])
async def test_no_field_of_a_form_gives_roles_that_the_form_does_not_ask_for(desk, extra):
    """Mass assignment: a person's own forms take no roles, names or states."""
    async with desk.signed_in("an", EDITOR) as browser:
        before = await desk.accounts.require("an")
        for path, action in (
            ("/tai-khoan", "/tai-khoan/mat-khau"),
            ("/tai-khoan/ung-dung", "/tai-khoan/ung-dung"),
            ("/", "/dang-xuat"),
        ):
            await browser.press(path, action, planted={extra: MANAGER})
        after = await desk.accounts.require("an")
        assert after.model_copy(update={"networks": ()}) == before.model_copy(
            update={"networks": ()}
        )


async def test_an_act_carries_what_its_form_has_and_no_more(desk, managers):
    planted = {"state": "active", "grants": MANAGER, "roles": MANAGER, "do": "staff.enable"}
    for browser in managers:
        await browser.press(ADD, ADD, planted, **NEW)
    account = await desk.accounts.require("cuong")
    assert (account.state, account.local, account.grants) == (
        *("invited", None),
        (Grant(role=EDITOR),),
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"role": "vua"}, "vai trò"),
        ({"role": [MANAGER, "lanh-dao-duyet"]}, "không được giữ cả"),
        ({"unit": "khong-co"}, "khong-co"),
        ({"login": "Tên Dài"}, "Tên đăng nhập"),
        ({"login": ""}, "Tên đăng nhập là trường bắt buộc"),
        ({"name": ""}, "Họ và tên"),
        ({f"topics.{EDITOR}": "khong-co"}, "khong-co"),
    ],
)
async def test_what_can_not_be_is_refused_before_anyone_is_asked(desk, managers, changes, told):
    refused = await managers[0].press(ADD, ADD, **NEW | changes)
    assert refused.status_code == 422 and told in refused.text
    assert await one_proposal(desk) == 0


async def test_roles_are_given_for_units_and_topics(desk, managers):
    await desk.active("dung", EDITOR)
    path = f"/nhan-su/{(await desk.accounts.require('dung')).id}"
    wanted = {"role": EDITOR, f"topics.{EDITOR}": ["viec-lam", "tuyen-dung"]}
    for browser in managers:
        assert heading(await browser.press(path, f"{path}/vai-tro", **wanted)) == DONE
    grant = Grant(role=EDITOR, topics=("viec-lam", "tuyen-dung"))
    assert (await desk.accounts.require("dung")).grants == (grant,)
    page = (await managers[0].get(path)).text
    chosen = re.findall(rf'name="topics.{EDITOR}" value="([a-z-]+)" checked', page)
    assert sorted(chosen) == ["tuyen-dung", "viec-lam"]


async def test_a_unit_that_is_in_no_vocabulary_stays_chosen(desk, managers):
    gone = Grant(role=EDITOR, units=("vu-da-giai-the",))
    account = await desk.active("dung", EDITOR)
    await desk.accounts.set_grants(account.id, (gone,))
    page = (await managers[0].get(f"/nhan-su/{account.id}")).text
    assert f'name="units.{EDITOR}" value="vu-da-giai-the" checked' in page


@pytest.mark.promise("15.4")
async def test_units_and_their_keys_take_two_and_a_revocation_one(desk, managers):
    one, two = managers
    rules = {"unit": "van-phong-bo", "release": "desk", "notices": "email", "urgent": "1"}
    await one.press("/don-vi/them", "/don-vi/them", **rules)
    added = await two.press("/don-vi/them", "/don-vi/them", **rules)
    [first] = SECRET.findall(added.text)
    unit = (await desk.registry.authenticate(first)).registration
    assert (unit.release, unit.urgent, [*unit.notices]) == ("desk", True, ["email"])
    path = "/don-vi/van-phong-bo"
    for browser in managers:
        changed = {"release": "automatic", "notices": "zalo,email", "urgent": "1"}
        await browser.press(path, f"{path}/quyen", **changed)
        rotated = await browser.press(path, f"{path}/khoa-moi", now="1")
    [second] = SECRET.findall(rotated.text)
    unit = (await desk.registry.authenticate(second)).registration
    assert (unit.release, len(unit.keys)) == ("automatic", 1)
    assert heading(await one.press(path, f"{path}/thu-hoi")) == DONE
    assert (await desk.registry.find("van-phong-bo")).keys == ()
    assert "van-phong-bo" in (await one.get("/don-vi")).text


async def test_a_session_without_the_factor_that_a_role_asks_for_manages_nobody(desk):
    account = await desk.active("an", EDITOR)
    local = account.local.model_copy(update={"totp": None})
    await desk.accounts.change(account.id, lambda a: a.model_copy(update={"local": local}))
    await desk.accounts.set_grants(account.id, (Grant(role=MANAGER),))
    async with desk.browser(await desk.session_of("an")) as browser:
        missing = desk_texts()["page"]["second_factor_missing"]["title"]
        assert heading(await browser.get("/nhan-su")) == missing
        assert heading(await browser.post(ADD, **NEW)) == missing
        start = await browser.get("/")
        assert start.status_code == 200 and "cấp lại mã kích hoạt" in start.text


@pytest.mark.parametrize("has_own_nats", [True, False])
async def test_what_is_left_to_do_at_the_operators_own_server_is_said(bus, clock, has_own_nats):
    desk = DeskApp(bus, clock, has_own_nats=has_own_nats)
    await desk.registry.add("van-phong-bo", release="desk")
    path = "/don-vi/van-phong-bo"
    async with desk.signed_in("an", MANAGER) as browser:
        done = await browser.press(path, f"{path}/thu-hoi")
        assert done.status_code == 200 and ("loa bus apply" in done.text) == has_own_nats


async def test_two_managers_set_an_address_that_no_record_has_in_plain(desk, managers, bus):
    account = await desk.active("dung", EDITOR)
    one, two = managers
    page = f"/nhan-su/{account.id}"
    await one.press(page, f"{page}/thu", email="dung.pham@example.gov.vn")
    waiting = await two.get("/de-nghi")
    assert "du***@example.gov.vn" in waiting.text
    assert (await desk.accounts.require("dung")).address == ""
    [confirm] = re.findall(r'action="(/de-nghi/[0-9a-f]{64}/dong-y)"', waiting.text)
    assert heading(await two.submit(waiting, confirm)) == DONE
    changed = await desk.accounts.require("dung")
    assert desk.sign_in.addresses.read(changed) == "dung.pham@example.gov.vn"
    for name in ("KV_staff", "KV_sessions", "AUDIT"):
        assert [m async for m in bus.scan(name) if b"dung.pham" in m.data] == []
