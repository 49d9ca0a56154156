"""`loa demo --desk`: within a minute a person signs in at the desk of a sample ministry."""

import asyncio
import base64
import html
import os
import re
import signal
import sys
import time
from contextlib import asynccontextmanager

import httpx2
import pytest
from yarl import URL

from consumers.app.instance import announced_instance
from consumers.app.settings import LoaSettings, read_settings
from consumers.check.context import CheckContext
from consumers.check.positions import PositionRules
from consumers.cli.sample.items import read_items
from consumers.cli.sample.ministry import fill
from consumers.cli.sample.sender import UNIT
from consumers.dead_letters.index import DeadLetterIndex
from consumers.dead_letters.letter import DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from consumers.editorial.log import EditorialLog
from consumers.staff.totp import current_step, one_time_code
from contracts.editorial import Status
from contracts.errors import Conflict
from producers.bus import Bus
from producers.desk.rendering import desk_texts
from tests.support.check_harness import DAY_S
from tests.support.desk_app import Browser

_STARTED_S = 900


@asynccontextmanager
async def started(folder):
    """Output of the command until the first code, and its process."""
    command = [sys.executable, "-m", "consumers.cli", "demo", "--desk", "--data", folder]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
    unsafe = {"LOA_DESK_HTTP_HOST": "0.0.0.0", "LOA_NATS_URL": "nats://bus.example"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ | unsafe,
    )
    try:
        lines = await asyncio.wait_for(read_until(process, "mã dùng một lần "), _STARTED_S)
        yield "\n".join(lines), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.communicate()


async def read_until(process, word: str) -> list[str]:
    lines = [""]
    while word not in lines[-1]:
        line = await process.stdout.readline()
        assert line, lines
        lines.append(line.decode().rstrip())
    return lines


async def test_a_sample_ministry_can_be_tried_and_opened_again(tmp_path):
    folder = tmp_path / "demo"
    async with started(folder) as (said, process):
        await check_items(folder)
        await check_promises(folder)
        settings = read_settings(LoaSettings, data_dir=folder, nats_url="")
        os.kill(announced_instance(settings).pid, signal.SIGKILL)
        _, told = await asyncio.wait_for(process.communicate(), 300)
        assert process.returncode == 1 and b"loa.log" in told, told.decode()
    async with started(folder) as (again, process):
        assert password_in(again) == password_in(said)
        assert addresses_in(again) == addresses_in(said), "links in published texts lead there"
        await sign_in_and_end(again, process)


def password_in(said: str) -> str:
    return re.search(r"Password .*: (\S+)", said)[1]


def addresses_in(said: str) -> list[str]:
    """The addresses of desk, portal, mailbox and Zalo's stand-in."""
    found = re.findall(r"http://127\.0\.0\.1:\d+\S*", said)
    assert len(found) == 4, said
    return found


async def check_items(folder):
    """Items of every status lie there, and dead letters."""
    settings = read_settings(LoaSettings, data_dir=folder, nats_url="")
    async with await Bus.connect(announced_instance(settings).nats_url) as bus:
        shown = {Status.SCHEDULED: Status.PUBLISHED, Status.EXPIRED: Status.PUBLISHED}
        wanted = [shown.get(item.status, item.status) for item in read_items()]
        # a draft issue of a bulletin, a published campaign, and what a unit's system sent
        wanted = sorted([*wanted, Status.DRAFT, Status.PUBLISHED, Status.SUBMITTED])
        log, letters = EditorialLog(bus), DeadLetterIndex(DeadLetterStore(bus))
        async with asyncio.timeout(600):
            while sorted(one.status for one in (await log.audit()).states.values()) != wanted:
                await asyncio.sleep(0.1)
            while len(await letters.find(DeadLetterQuery())) < 3:
                await asyncio.sleep(0.1)
        with pytest.raises(Conflict):
            await fill(bus, settings, URL("http://127.0.0.1/loa"))


async def check_promises(folder):
    """Everything that people released at the desk is as the log says that it was approved.

    Nor is anything wrong with a text that waits for a day.
    """
    command = [sys.executable, "-m", "consumers.cli", "check", "--deep"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"LOA_DATA_DIR": str(folder)}
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    settings = read_settings(LoaSettings, data_dir=folder, nats_url="")
    async with await Bus.connect(announced_instance(settings).nats_url) as bus:
        context = CheckContext(bus, lambda: time.time() + DAY_S, recheck_after_s=0.0)
        rules = PositionRules(context, await EditorialLog(bus).audit())
        assert await rules.violations() == []
        assert rules.count


async def sign_in_and_end(said: str, process) -> None:
    """Sign in without a code and with one; Ctrl-C ends the command."""
    url = re.search(r"desk .*: (http://127\.0\.0\.1:\d+)", said)[1]
    password = password_in(said)
    secret = base64.b32decode(re.search(r"authenticator .*: (\S+)", said)[1])
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        await sign_in(client, url, "nguoi-gui-tin", password)
        own = await client.get("/tin")
        assert own.status_code == 200 and "Trung tâm Lưu trữ quốc gia tuyển dụng" in own.text
        await check_unit(client)
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        code = one_time_code(secret, current_step(time.time()))
        await sign_in(client, url, "lanh-dao-duyet", password, code)
        waiting = await client.get("/")
        assert "Thông báo tuyển dụng công chức của Bộ Nội vụ" in waiting.text
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 300) == 0


async def check_unit(client) -> None:
    """The unit whose system sends sees an event that waits, refused ones, a trial and callbacks."""
    said = desk_texts()["unit"]
    wanted = {
        *(said["state"]["waiting"], said["state"]["refused"], said["trial_state"]["released"]),
        *(*said["face"].values(), "ca***@example.org"),
        "HTTP 204",
    }
    async with asyncio.timeout(600):
        while missing := await missing_on(client, f"/don-vi/{UNIT}", wanted):
            await asyncio.sleep(0.2)
    assert not missing


async def missing_on(client, path: str, wanted: set[str]) -> set[str]:
    page = html.unescape((await client.get(path)).text)
    return {one for one in wanted if one not in page}


async def sign_in(client, url: str, login: str, password: str, code: str = "") -> None:
    browser = Browser(client, {"Origin": url, "Sec-Fetch-Site": "same-origin"})
    fields = {"login": login, "password": password, "code": code}
    done = await browser.press("/dang-nhap", "/dang-nhap", **fields)
    assert done.status_code == 303, done.text
