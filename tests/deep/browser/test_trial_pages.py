"""Mailbox and Zalo sandbox in a real browser: clean for everyone, and a line says what they are."""

import pytest

from channels.email.devmailbox.mail_folder import MailFolder, catch_all_server
from channels.email.devmailbox.web import mailbox_app
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.mails import deliver, email_channel, mail_recipient
from tests.support.publications import a_publication
from tests.support.sandbox_client import BY_PHONE, PHONE, order
from tests.support.signup_app import serve_app

TRIAL = "Trang thử nghiệm: không có tin nào được gửi ra ngoài."


@pytest.fixture
async def mailbox_pages(tmp_path):
    """Addresses of the mailbox: its list, a mail, a page that is not there."""
    folder, item = MailFolder(tmp_path / "mail"), a_publication()
    catch_all = catch_all_server(folder)
    port = await catch_all.start()
    await deliver(email_channel(port), [mail_recipient(number, item) for number in range(3)])
    await catch_all.stop()
    name = next(iter(folder.newest_first())).name
    async with serve_app(mailbox_app(folder)) as url:
        yield [f"{url}/hop-thu-thu{path}" for path in ("", f"/{name}", "/khong-co")]


@pytest.fixture
async def sandbox_pages(sandbox_client):
    """Addresses of the sandbox: all people, one of them, one who is not there."""
    for row in ("article", "broadcast"):
        await sandbox_client.account.send(a_publication(), row)
    person = await sandbox_client.person(name="Trần Thị Bình", phone=PHONE)
    await sandbox_client.later(minutes=30)
    await sandbox_client.act(person, "write", text="Hồ sơ của tôi đâu?")
    await sandbox_client.said(BY_PHONE, order())
    await sandbox_client.settle()
    url = sandbox_client.account.sandbox.url
    return [f"{url}/", f"{url}/?user_id={person}", f"{url}/?user_id=khong-co"]


async def judged(page, addresses, face):
    """Faults of each of the pages."""
    wrong = []
    for number, address in enumerate(addresses):
        await page.goto(address)
        await screenshot(page, f"{face}-{number}")
        wrong += [f"{address}: {one}" for one in await faults_in_every_look(page)]
        wrong += [] if await page.get_by_text(TRIAL).is_visible() else [f"{address}: no line"]
    return wrong


@pytest.mark.parametrize("face", ["mailbox", "sandbox"])
async def test_every_page_is_clean_and_says_that_it_reaches_nobody(
    request, browser, mailbox_pages, sandbox_pages, face
):
    addresses = {"mailbox": mailbox_pages, "sandbox": sandbox_pages}[face]
    with browser.tab(bypass_csp=True) as tab:
        assert await tab.run(lambda page: judged(page, addresses, face)) == []
        assert tab.blocked == []
