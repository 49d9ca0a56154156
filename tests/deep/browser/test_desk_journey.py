"""A text's whole way at the desk of a Loa that runs, each person in a browser of their own.

An officer writes it with a table from Word, a cover and a PDF, and mends what the checks find; the
unit's leader confirms, an editor changes it, sees the changes and every channel, plans its time and
proposes it, an approver sees whom it reaches and approves. It leaves at its time and not before,
the live counts are those of the deliveries. Then a correction, and a withdrawal that asks for a
code; each person has been mailed once of each step. All of it at a desktop's width and a phone's,
with scripts and without, two texts at a time in one Loa; axe runs everywhere.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from math import ceil
from typing import NamedTuple

import pytest

from channels.email.parsing import header_text
from consumers.editorial.log import EditorialLog
from consumers.staff.mail.outbox import StaffOutbox
from contracts import subjects
from contracts.editorial import Action
from contracts.text.moments import VIETNAM
from producers.bus.records import require
from producers.desk.editor.conversion import editor_texts
from producers.desk.rendering import desk_texts
from tests.support.browser import screenshot
from tests.support.desk_http import make_code_old, unused_code
from tests.support.desk_journey import (
    PEOPLE,
    DeskPeople,
    Journey,
    Look,
    address_of,
    faults,
    give_code,
    press,
    read_done,
    read_rows,
    visit,
)
from tests.support.forked_cli import PATIENCE_S
from tests.support.loa_bus import bus_of
from tests.support.loa_process import LoaProcess, complete, wait_until
from tests.support.told_staff import Told, mails_due
from tests.support.uploaded_files import pdf, picture

TEXTS, UPLOAD, PREVIEW, DRY_RUN, LIVE = (
    desk_texts()[part] for part in ("item", "upload", "preview", "dry_run", "live")
)
BUTTON = TEXTS["button"]
TITLES = (
    "Lịch trả kết quả hồ sơ trực tuyến tháng 12",
    "Bộ phận Một cửa làm việc thêm sáng thứ Bảy",
)
PAIRS = (
    (Look("desktop", 1280, True, TITLES[0]), Look("phone-plain", 390, False, TITLES[1])),
    (Look("phone", 390, True, TITLES[0]), Look("desktop-plain", 1280, False, TITLES[1])),
)
"""Two looks at one Loa at the same time; `plain`: without scripts."""
YEAR = " năm 2026"
READERS = 3
NUMBER = "001099012345"
SUMMARY = "Bộ phận Một cửa trả kết quả theo lịch dưới đây."
ALT, FILE = "Quầy số 3", "Lịch in sẵn"
WITHDRAWN = "Văn bản đã bị thay thế."
WRONG_PLACE = "Ghi sai nơi trả."
ACTS_IN_TIME = 3
"""Each text is planned, proposed and approved before its time."""
MAILED_S = 45
"""After how many seconds at the latest an act of an idle Loa is mailed."""
WORD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><body><p class=MsoNormal>Bộ Nội vụ "
    "thông báo lịch trả kết quả:<o:p></o:p></p><table class=MsoTableGrid border=1><tr><td><p>"
    "Ngày</p></td><td><p>Nơi trả</p></td></tr><tr><td><p>01/12</p></td><td><p>Phòng 105"
    "</p></td></tr></table></body></html>"
)
MARKDOWN = (
    "Bộ Nội vụ thông báo lịch trả kết quả:\n\n| Ngày | Nơi trả |\n| --- | --- |\n"
    "| 01/12 | Phòng 105 |\n"
)
CELL = "Phòng 105"
PASTE = """(html) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  const options = { clipboardData: data, bubbles: true, cancelable: true };
  document.querySelector(".ProseMirror").dispatchEvent(new ClipboardEvent("paste", options));
}"""


async def write(journey: Journey, page) -> None:
    """Write the text, with a cover and an attachment, and a number that is one person's."""
    await page.goto(f"{journey.url}/soan-moi")
    await page.locator("#title").fill(journey.title)
    await page.locator("#summary").fill(f"Hồ sơ số {NUMBER}.")
    await page.locator("#topic").select_option("cai-cach-hanh-chinh")
    await page.locator('[name="channels"][value="zalo"]').uncheck()
    if journey.look.has_scripts:
        await page.locator(".ProseMirror").click()
        await page.evaluate(PASTE, WORD)
        await page.locator(".ProseMirror table").wait_for()
        await upload(page, "bia.png", picture(), UPLOAD["as_cover"])
        await upload(page, "lich.pdf", pdf(), UPLOAD["as_attachment"])
    else:
        await page.locator("#body").fill(MARKDOWN)
        await fill_addresses(journey, page)
    await page.locator('[name="attachments.0.title"]').fill(FILE)
    await screenshot(page, f"journey-write-{journey.look.width}")
    assert await faults(journey, page) == []


async def upload(page, name: str, content: bytes, use: str) -> None:
    """Send a file from beside the text, and use it there."""
    kind = "image/png" if name.endswith("png") else "application/pdf"
    file = {"name": name, "mimeType": kind, "buffer": content}
    await page.locator("#tep").set_input_files(file)
    await page.locator("[data-upload] button").click()
    await page.locator("[data-files] li", has_text=name).get_by_role("button", name=use).click()


async def fill_addresses(journey: Journey, page) -> None:
    """Without scripts: upload on a page of its own, and copy the address."""
    files = {"cover": ("bia.png", picture()), "attachments.0": ("lich.pdf", pdf())}
    other = await page.context.new_page()
    for at, (name, content) in files.items():
        await other.goto(f"{journey.url}/tep")
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        await other.locator("#tep").set_input_files(file)
        await other.get_by_role("button", name=desk_texts()["button"]["upload"]).click()
        address = await other.locator("#dia-chi").input_value()
        field = page.locator(f'[name="{at}.url"]')
        await page.locator("details", has=field).locator("summary").click()
        await field.fill(address)
    await other.close()


async def see_checks(journey: Journey, page) -> list[str]:
    """Have the text checked before it is saved; the fields to which the findings lead."""
    await page.get_by_role("button", name=editor_texts()["checks"]["again"]).click()
    found = page.locator("[aria-labelledby=kiem-tra] li a")
    await found.first.wait_for()
    assert await faults(journey, page) == []
    said = await found.all_inner_texts()
    assert any(NUMBER in one for one in said), said
    return [str(await one.get_attribute("href")).partition("#")[2] for one in await found.all()]


async def mend(journey: Journey, page) -> None:
    """Mend what the checks found, and save."""
    await page.locator("#summary").fill(SUMMARY)
    await page.locator('[name="cover.alt"]').fill(ALT)
    await page.get_by_role("button", name=BUTTON["save"], exact=True).click()
    await page.wait_for_url(lambda url: "/soan-moi" not in url)
    journey.path = page.url.removeprefix(journey.url)


async def findings(journey: Journey, page) -> str:
    """Findings of the checks beside the form of the saved text."""
    await visit(journey, "/sua", "edit", page)
    return await page.locator("[aria-labelledby=kiem-tra]").inner_text()


async def change(journey: Journey, fields: dict[str, str], page) -> None:
    """Change fields of the text, and save it."""
    await page.goto(f"{journey.url}{journey.path}/sua")
    for name, value in fields.items():
        await page.locator(f"#{name}").fill(value)
    await page.get_by_role("button", name=BUTTON["save"], exact=True).click()
    await page.wait_for_url(f"{journey.url}{journey.path}")


async def marked(journey: Journey, page) -> list[str]:
    """The words that the review marks as added, with the hints around them for screen readers."""
    await visit(journey, "/duyet", "review", page)
    return await page.locator(".marked ins").all_inner_texts()


async def previews(journey: Journey, page) -> dict[str, str]:
    """Text of each part of the preview, by its name: frames, the mail's text, the article."""
    await visit(journey, "/xem-truoc", "preview", page)
    said = {}
    for frame in await page.locator("iframe").all():
        await frame.scroll_into_view_if_needed()
        await frame.content_frame.get_by_text(CELL).first.wait_for()
        name = str(await frame.get_attribute("title"))
        said[name] = await frame.content_frame.locator("body").inner_text()
    said[PREVIEW["text"]] = await page.locator("[aria-labelledby=thu] pre").inner_text()
    said[PREVIEW["article"]] = await page.locator("[aria-labelledby=zalo] .post").inner_text()
    return said


async def not_sent(journey: Journey, page) -> list[str]:
    """The parts of the open preview that say that the text does not go there."""
    parts = page.locator("section", has=page.get_by_text(PREVIEW["not_sent"]))
    return await parts.locator("h2").all_inner_texts()


class DryRun(NamedTuple):
    """Text of the page: people by the line that counts them, and the time of each step."""

    mail: dict[str, list[str]]
    steps: dict[str, list[str]]
    zalo: str


async def dry_run(journey: Journey, page) -> DryRun:
    """The dry run's numbers, once the readers have been counted."""
    await visit(journey, "/se-toi-ai", "dry-run", page)
    mail = page.locator("section[aria-labelledby=thu]")
    while await mail.get_by_text(DRY_RUN["counting"]).count():
        await page.get_by_role("link", name=DRY_RUN["reload"]).click()
    return DryRun(
        await read_rows(mail),
        await read_rows(page.locator("section[aria-labelledby=khi-nao]")),
        await page.locator("section[aria-labelledby=zalo] p").inner_text(),
    )


async def counts(journey: Journey, page) -> dict[str, dict[str, int]]:
    """The open page of a delivery, which goes on by itself, when all is delivered: its numbers.

    Without scripts it loads itself again, once it is asked to.
    """
    if not journey.look.has_scripts:
        await page.get_by_role("link", name=LIVE["reloads"]).click()
    await page.get_by_text(LIVE["complete"]).wait_for(timeout=60_000)
    assert await faults(journey, page) == []
    found = {}
    for channel in await page.locator("section[aria-labelledby^=kenh]").all():
        rows = await read_rows(channel)
        found[await channel.locator("h2").inner_text()] = {
            name: int(number) for name, [number] in rows.items()
        }
    return found


async def is_complete(journey: Journey, page) -> bool:
    """Open the page of the delivery; whether it says that all is delivered."""
    await visit(journey, "/dang-gui", "live-before", page)
    return bool(await page.get_by_text(LIVE["complete"]).count())


@pytest.fixture
def journeys(request, tmp_path, browser) -> Iterator[list[Journey]]:
    with LoaProcess(tmp_path) as loa, ExitStack() as stack:
        loa.add_unit("van-phong-bo")
        loa.readers(READERS)
        people = DeskPeople(loa)
        yield [Journey(people, browser, look, stack) for look in request.param]


@pytest.mark.parametrize("journeys", PAIRS, ids=lambda pair: pair[0].name, indirect=True)
def test_texts_go_their_whole_way(journeys):
    for one in journeys:
        reach_the_editor(one)
        look_at_everything(one)
    release_at_their_time(journeys)
    for one in journeys:
        correct(one)
        withdraw_with_code(one)
    for one in journeys:
        wait_until(partial(is_gone, one), one.title)
    wait_until(partial(is_all_told, journeys[0].loa), "the mails to staff", 2 * PATIENCE_S)
    for one in journeys:
        must, may = mails_due(asyncio.run(acts_of(one)))
        found = told(one)
        assert must <= found <= must + may, (found - must - may, must - found)
        assert one.errors == []


def reach_the_editor(journey: Journey) -> None:
    """Write it, mend what the checks find, confirm it for the unit, and change its title."""
    journey.does("an", write)
    assert {"summary", "cover.alt"} <= {*journey.does("an", see_checks)}
    journey.does("an", mend)
    assert NUMBER not in journey.does("an", findings)
    journey.act("an", BUTTON["submit"])
    journey.act("binh", BUTTON["confirm"], clean="x")
    journey.does("chi", change, {"title": journey.title + YEAR})


def look_at_everything(journey: Journey) -> None:
    """The changes, every channel, and the dry run, each by the words of its own part."""
    assert any(YEAR.strip() in one for one in journey.does("chi", marked))
    judge_previews(journey, journey.does("chi", previews))
    assert journey.does("chi", not_sent) == [PREVIEW["channel"]["zalo"]]
    run = journey.does("dung", dry_run)
    everyone = {
        DRY_RUN[name]: [f"{READERS}"] for name in ("readers", "matching", "planned", "sent")
    }
    nobody = {DRY_RUN[name]: ["0"] for name in ("other_choices", "daily", "weekly", "paused")}
    assert run.mail == everyone | nobody
    at_once = {DRY_RUN["steps"][step]: DRY_RUN["at_once"] for step in ("portal", "email")}
    assert {name: at for name, [at, _] in run.steps.items()} == at_once
    assert run.zalo == DRY_RUN["no_channel"]


def judge_previews(journey: Journey, said: Mapping[str, str]) -> None:
    """Each part shows the table; so do the title and the file, but for the feed and Zalo."""
    portal, mail = (PREVIEW["channel"][name] for name in ("portal", "email"))
    pages = {f"{portal}: {PREVIEW[look]}" for look in ("desktop", "phone")}
    mails = {f"{mail}: {PREVIEW[look]}" for look in ("light", "dark")} | {PREVIEW["text"]}
    assert said.keys() == pages | mails | {PREVIEW["article"], PREVIEW["entry"]}
    assert [name for name, text in said.items() if CELL not in text] == []
    titled = {*said} - {PREVIEW["entry"]}
    assert [name for name in titled if journey.title + YEAR not in said[name]] == []
    assert [name for name in pages | mails if FILE not in said[name]] == []


def release_at_their_time(journeys: Sequence[Journey]) -> None:
    """Plan a time and approve; readers have nothing before it, and the live counts all after.

    The approver comes when the mail says that a text waits.
    """
    act_s = timed(lambda: journeys[0].does("dung", is_complete))
    leaves = ceil(time.time() + MAILED_S + 4 * act_s * ACTS_IN_TIME * len(journeys))
    planned = datetime.fromtimestamp(leaves, VIETNAM).replace(tzinfo=None).isoformat()
    for one in journeys:
        one.does("chi", change, {"not_before": planned})
        one.act("chi", BUTTON["propose"], clean="x")
    for one in journeys:
        wait_until(partial(is_approver_told, one), "the approver's mail")
        one.act("dung", BUTTON["approve"])
    assert time.time() < leaves, "the time has to be to come when the texts are approved"
    assert not any(one.does("chi", is_complete) for one in journeys)
    for one in journeys:
        patience_s = max(0, leaves - time.time()) + PATIENCE_S
        wait_until(partial(has_left, one), one.title, patience_s)
        assert time.time() >= leaves, "readers had the text before its time"
    for one in journeys:
        judge_delivery(one)


def timed(run) -> float:
    began = time.monotonic()
    run()
    return time.monotonic() - began


def is_approver_told(journey: Journey) -> bool:
    return told(journey)["dung", "Chờ duyệt"] > 0


def has_left(journey: Journey) -> bool:
    """Whether any reader has the text: on the portal or by mail."""
    return journey.loa.page_status(journey.path) == 200 or bool(reached(journey))


def is_gone(journey: Journey) -> bool:
    return WITHDRAWN in public_page(journey)


def judge_delivery(journey: Journey) -> None:
    """The live page's numbers are those of the deliveries: the portal's page, and the mails."""
    live = journey.does("chi", counts)
    assert deliveries(journey, 1) == {"portal": 1, "email": READERS}
    assert len(reached(journey)) == READERS
    assert live == {
        LIVE["channel"][channel]: {LIVE["status"]["delivered"]: count, LIVE["expected"]: count}
        for channel, count in (("portal", 1), ("email", READERS))
    }
    page = public_page(journey)
    assert all(one in page for one in (journey.title + YEAR, ALT, FILE, "/tep/"))


def correct(journey: Journey) -> None:
    journey.does("an", change, {"summary": "Sửa nơi trả.", "reason": WRONG_PLACE})
    journey.act("an", BUTTON["submit"])
    journey.act("binh", BUTTON["confirm"], clean="x")
    journey.act("chi", BUTTON["propose"], clean="x")
    journey.act("dung", BUTTON["approve"])
    assert deliveries(journey, 2) == {"portal": 1, "email": READERS}
    assert WRONG_PLACE in public_page(journey)


def withdraw_with_code(journey: Journey) -> None:
    """The session is too old for a withdrawal: a code is asked for, and a wrong one refused."""
    asyncio.run(make_code_old(journey.loa, journey.tokens["dung"]))
    journey.does("dung", press, BUTTON["withdraw"], {"note": WITHDRAWN})
    journey.does("dung", give_code, "000000")
    journey.does("dung", give_code, unused_code(journey.people.secrets["dung"]))
    journey.does("dung", read_done)


def public_page(journey: Journey) -> str:
    return journey.loa.page(journey.path)[1]


def deliveries(journey: Journey, revision: int) -> dict[str, int]:
    """How many deliveries each channel has made, once all are."""

    def story() -> dict:
        words = ("trace", journey.content_id, "--json", "--by", "Người vận hành")
        told = journey.loa.cli(*words)
        found = told.json if told.exit_code == 0 else {}
        return found if complete(found) and found["revision"] == revision else {}

    channels = wait_until(story, f"{journey.content_id} on every channel")["channels"]
    assert all(one["delivered"] == one["expected"] for one in channels.values()), channels
    return {name: one["delivered"] for name, one in channels.items()}


def reached(journey: Journey) -> list[str]:
    """The readers who have a mail about the text."""
    mails = [one for one in journey.loa.mails() if journey.title in str(one["Subject"])]
    to = [header_text(one.as_bytes(), "To") for one in mails]
    return [address for address in to if "nguoi" in address]


def told(journey: Journey) -> Told:
    """Mails about the text, by person at the desk.

    That a text will be out at its time is the mail of its publication.
    """
    found: Told = Counter()
    for mail in journey.loa.mails():
        says, _, about = str(mail["Subject"]).partition(": ")
        to = header_text(mail.as_bytes(), "To")
        for login in PEOPLE:
            if address_of(login) in to and about.startswith(journey.title):
                found[login, says.replace("Đã xếp lịch", "Đã đăng")] += 1
    return found


async def acts_of(journey: Journey) -> Sequence[Action]:
    async with bus_of(journey.loa) as bus:
        return (await EditorialLog(bus).history(journey.content_id))[1]


def is_all_told(loa: LoaProcess) -> bool:
    """Whether the log is worked through, and every mail of it has reached its mailbox."""

    async def ask() -> bool:
        async with bus_of(loa) as bus:
            log = await bus.stream_info(subjects.EDITORIAL.name)
            outbox = StaffOutbox(bus)
            cursor = require((await outbox.cursor()).value)
            pending = [one async for one in outbox.outboxes()]
            letters = await bus.bucket(subjects.NOTICES.name).keys()
            return cursor.seq == log["state"]["last_seq"] and not (pending or letters)

    return asyncio.run(ask())
