"""The audit log names each act at the desk: account, role, partner; no secret."""

import re

import structlog

from consumers.audit.log import AuditLog, parse_record
from tests.support.staff import PASSWORD

MANAGER = "quan-tri-tai-khoan"
ADD = "/nhan-su/them"
NEW = {"login": "cuong", "name": "Phạm Văn Cường", "unit": "van-phong-bo", "role": "bien-tap-vien"}
NEW_PASSWORD = "gió lùa qua khe cửa"


async def recorded(desk):
    log = AuditLog(desk.bus, desk.clock)
    records = [parse_record(message) async for message in log.messages()]
    return [one for one in records if not one.action.startswith("session.")]


async def test_every_act_is_recorded_with_its_account_role_and_partner(desk):
    async with desk.signed_in("an", MANAGER) as one, desk.signed_in("binh", MANAGER) as two:
        an, binh = [(await desk.accounts.require(login)).id for login in ("an", "binh")]
        await one.press(ADD, ADD, **NEW)
        done = await two.press(ADD, ADD, **NEW)
        [invitation] = re.findall(r"<code>(\w+)</code>", done.text)
        await one.press(ADD, ADD, **NEW | {"login": "dung"})
        [refuse] = re.findall(r'action="(/de-nghi/\w+/tu-choi)"', (await one.get("/de-nghi")).text)
        await one.press("/de-nghi", refuse)
        given = {"password": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
        await one.press("/tai-khoan", "/tai-khoan/mat-khau", **given)
        await two.press("/tai-khoan", "/tai-khoan/moi-phien")
    records = await recorded(desk)
    assert [(one.action, one.actor, one.step) for one in records] == [
        *(("account.activate", who, step) for who in (an, binh) for step in ("intent", "done")),
        ("propose", an, "done"),
        *(("staff.add", binh, step) for step in ("intent", "done")),
        *(("propose", an, "done"), ("refuse", an, "done")),
        *(("account.password", an, step) for step in ("intent", "done")),
        ("account.end-sessions", binh, "done"),
    ]
    [added] = [one for one in records if (one.action, one.step) == ("staff.add", "done")]
    assert (added.role, added.object, added.reason) == (MANAGER, "cuong", f"proposed by {an}")
    told = "".join(record.model_dump_json() for record in records)
    for secret in (invitation, PASSWORD, NEW_PASSWORD, NEW["name"]):
        assert secret not in told


async def test_a_refused_change_of_ones_own_account_is_no_act(desk):
    async with desk.signed_in("an", MANAGER) as browser:
        before = len(await recorded(desk))
        given = {"password": "sai", "new": NEW_PASSWORD, "again": NEW_PASSWORD}
        await browser.press("/tai-khoan", "/tai-khoan/mat-khau", **given)
        assert (await browser.post("/tai-khoan/phien", session="0" * 64)).status_code == 404
        assert len(await recorded(desk)) == before


async def test_the_log_says_from_which_network_a_sign_in_came_and_no_name(desk):
    account = await desk.active("an")
    with structlog.testing.capture_logs() as lines:
        async with desk.browser() as browser:
            await desk.press_sign_in(browser, "an", password="sai")
            await desk.press_sign_in(browser, "an")
    refused, opened = (line for line in lines if line["event"].startswith("staff_sign"))
    assert (refused["event"], refused["step"]) == ("staff_sign_in_refused", "sign_in")
    assert opened["account"] == account.id and opened["factors"] == 2
    assert refused["network"] == opened["network"] and refused["network"].endswith("/24")
    assert "an" not in refused.values()
