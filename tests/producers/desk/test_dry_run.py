"""The page of the dry run: counts that add up, hours, quotas, costs; what is not known says so."""

import re
import time
from dataclasses import replace

import pytest

from channels.base import Recipient
from channels.email.render.build import MailContext
from channels.email.render.personal import RenderedTransactionalMail
from channels.email.render.preview import PREVIEW_SIGNER, Preview
from channels.email.settings import EmailSettings
from consumers.desk.release.mail_reach import MailReachCounter
from consumers.desk.release.planned_rows import PlannedRows
from consumers.directory.directory import Directory
from consumers.dispatch.audience import SubscriberAudience
from consumers.staff.mail.addresses import StaffAddresses
from consumers.suppression.cache import SuppressionAwareContacts
from consumers.zalo.quota_watch import BroadcastQuota, quota_key
from contracts.delivery import ChannelName
from contracts.subscriptions.transactional import TransactionalMail
from contracts.vocabulary import DEFAULT
from producers.desk import create_desk
from tests.support.desk_app import CHANNELS, DESK_URL, PORTAL_URL, desk_dry_runs, heading
from tests.support.desk_items import desk_text, save_draft
from tests.support.directory_harness import DirectoryHarness, running_directory
from tests.support.events import ITEM
from tests.support.staff import KEYS
from tests.support.suppression_cache import RunningCache

PAGE = f"/tin/{ITEM}/se-toi-ai"
EDITOR, OFFICER = "bien-tap-vien", "nguoi-gui-tin"
_ROW = re.compile(
    r'<th scope="row">([^<]*)</th><td(?: data-column="[^"]*")? class="right">(?:<strong>)?([^<]*)'
)


@pytest.fixture
async def counted(desk, bus, tmp_path):
    """A desk with a copy of the readers."""
    directory = Directory(bus, tmp_path / "directory.sqlite")
    async with running_directory(directory), RunningCache(bus) as cache:
        audiences = {**CHANNELS, ChannelName.EMAIL: SubscriberAudience(directory)}
        contacts = SuppressionAwareContacts(directory, cache.suppressed)
        mail = MailReachCounter(directory, contacts, PlannedRows(bus, audiences), time.time)
        dry_runs = desk_dry_runs(desk, mail, audiences)
        desk.app = create_desk(replace(desk.services, dry_runs=dry_runs), DESK_URL)
        yield desk


async def test_the_lines_add_up(counted, bus, clock):
    readers = DirectoryHarness(bus)
    topics = [("viec-lam",) if number % 3 == 0 else () for number in range(15)]
    for number, chosen in enumerate(topics):
        await readers.add(f"r{number}", topics=chosen)
    await save_draft(bus, clock, desk_text(), "some-account")
    async with counted.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
    assert page.status_code == 200, page.text
    rows = dict(_ROW.findall(page.text))
    assert rows["Người nhận tin đang hoạt động"] == "15"
    assert rows["Trừ: chọn chủ đề, đơn vị hoặc đối tượng khác"] == "5"
    assert rows["Được gửi như tin mới"] == rows["Sẽ được gửi thư"] == "10"
    assert rows["Lượt phát tin trong ngày"] == "0"
    assert page.text.count("chưa biết") >= 5, "prices, and what Zalo has not said"
    assert "0 đồng" not in page.text


async def test_of_two_limits_of_the_months_broadcasts_the_lower_counts(desk, bus, clock):
    told = BroadcastQuota(total=2, left=0, at=clock(), counted=0)
    await bus.bucket("control").put(quota_key("77"), told.model_dump_json().encode())
    await save_draft(bus, clock, desk_text(channels=["zalo"]), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        page = (await browser.get(PAGE)).text
    assert dict(_ROW.findall(page))["Lượt phát tin trong tháng"] == "2", "our limit is 3"
    assert "hết hạn mức phát tin của tháng" in page


async def test_without_a_copy_of_the_readers_the_page_counts_on(desk, bus, clock):
    await save_draft(bus, clock, desk_text(), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
    assert "Đang đếm" in page.text and "Tải lại trang" in page.text
    assert "Ngay khi duyệt" in page.text


async def test_an_item_for_zalo_alone_has_no_mail(desk, bus, clock):
    text = desk_text(channels=["zalo"], broadcast={"regions": ["north"]})
    await save_draft(bus, clock, text, "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
    assert "Đang đếm" not in page.text
    assert "không cho biết bao nhiêu người" in page.text


async def test_many_readers_take_two_approvers(desk, bus, clock):
    await save_draft(bus, clock, desk_text(lane="urgent"), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        assert "Cần hai người" in (await browser.get(PAGE)).text


async def test_only_who_may_read_the_item_sees_it(desk, bus, clock):
    await save_draft(bus, clock, desk_text(), "some-account")
    async with desk.signed_in("an", OFFICER) as browser:
        assert (await browser.get(PAGE)).status_code == 403
        assert (await browser.get("/tin/khong-co/se-toi-ai")).status_code == 422


async def pending_trials(bus) -> list[TransactionalMail]:
    values = bus.bucket("notices").values("letter-")
    return [TransactionalMail.model_validate_json(one.data) async for _, one in values]


async def test_a_trial_goes_once_to_the_person_alone_and_says_so(desk, bus, clock):
    account = await desk.active("an", EDITOR)
    address = StaffAddresses(KEYS.derive).encrypt(account.id, "an@example.gov.vn")
    await desk.accounts.set_mail(account.id, address=address)
    await save_draft(bus, clock, desk_text(title="Lịch tiếp công dân"), "some-account")
    async with desk.browser(await desk.session_of("an")) as browser:
        page = await browser.get(PAGE)
        for _ in range(2):
            sent = await browser.submit(page, PAGE)
            assert sent.status_code == 303
        assert "Đã gửi bản thử" in (await browser.get(sent.headers["location"])).text
    [mail] = await pending_trials(bus)
    assert mail.address == "an@example.gov.vn"
    context = MailContext(EmailSettings(), PORTAL_URL, PREVIEW_SIGNER, DEFAULT)
    row = Recipient("an", "a" * 52, mail.address)
    received = Preview(RenderedTransactionalMail(mail, context).envelope(row).body)
    assert received.subject == "BẢN THỬ: Lịch tiếp công dân"
    assert received.text.count("BẢN THỬ") == 1 and "BẢN THỬ" in received.html
    assert b"List-Unsubscribe" not in received.eml


async def test_without_an_address_no_trial_is_sent(desk, bus, clock):
    await save_draft(bus, clock, desk_text(), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        refused = await browser.press(PAGE, PAGE)
        assert refused.status_code == 422 and "chưa có địa chỉ" in refused.text
        assert heading(refused) == "Chưa gửi thử được", "the text is not to blame"
        assert refused.text.count('href="/tai-khoan"') > 1, "beside that of the menu"
    assert await pending_trials(bus) == []


async def test_trials_are_limited(desk, bus, clock):
    await save_draft(bus, clock, desk_text(), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        answers = [(await browser.post(PAGE, ban="1")).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
