"""`loa top`: problems first, lanes, items on their way; it fits a small terminal."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from consumers.app.settings import LoaSettings
from consumers.channel_health.breaker import BreakerState
from consumers.cli.status import STORE_CHECK_INTERVAL_S, StatusLoader
from consumers.cli.top_screen import Size, TopAnswer, draw
from consumers.status.open_plans import OpenPlan
from consumers.status.report import (
    ChannelStatus,
    LaneStatus,
    Severity,
    StatusFinding,
    StatusReport,
)
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from tests.support.cli import json_output
from tests.support.events import ITEM, submitted

AT = datetime(2026, 11, 29, 2, tzinfo=UTC)


def lines_of(answer: TopAnswer, width: int, height: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(draw(answer, Size(width, height), "q: quit"))
    return console.file.getvalue().splitlines()


def busy_answer(findings: int) -> TopAnswer:
    said = "the relay refuses every mail since midnight, and nobody knows why " * 3
    finding = StatusFinding(
        severity=Severity.ACT, code="mails_refused", about="email", message=said, message_vi=said
    )
    lane = LaneStatus(backlog=1_000_000, oldest_s=7000.0, per_s=1234.5, left_s=810.0)
    channel = ChannelStatus(paused=False, lanes=dict.fromkeys(Lane, lane))
    facts = {"channel": ChannelName.EMAIL, "lane": Lane.NORMAL, "since": AT, "revision": 1}
    plan = OpenPlan(content_id="t" * 90, expected=1_000_000, waiting=400_000, **facts)
    report = StatusReport(
        findings=(finding,) * findings, channels=dict.fromkeys(ChannelName, channel)
    )
    return TopAnswer(at=AT, status=report, plans=[plan] * 50)


def test_the_screen_fits_80x24_however_much_there_is_to_show():
    for findings in (0, 1, 9):
        lines = lines_of(busy_answer(findings), 80, 24)
        assert len(lines) < 24
        assert max(map(len, lines)) <= 80
        assert sum("60" in line and "1,000,000" in line for line in lines) >= 3, "items are shown"
    assert lines[1].startswith("PROBLEM email: the relay refuses")
    assert "9 need a person / 9 việc cần người xử lý" in lines[0] and len(lines[0]) <= 80
    everything = lines_of(busy_answer(9), 80, 10_000)
    assert sum("1,000,000" in line and "60" in line for line in everything) == 50


@pytest.mark.parametrize(
    ("at_work", "words"),
    [
        (True, "nothing needs a person / không có việc cần người xử lý"),
        (False, "Loa does not run / Loa không chạy"),
    ],
)
def test_the_title_says_whether_loa_runs(at_work, words):
    report = StatusReport(channels={}, at_work=at_work)
    title = lines_of(TopAnswer(at=AT, status=report, plans=[]), 120, 24)[0]
    assert title.endswith(words)


def test_a_lane_shows_the_state_of_its_own_circuit():
    lanes = dict.fromkeys(Lane, LaneStatus(backlog=1))
    open_circuit = {"breaker": BreakerState.OPEN, "breaker_part": "notices"}
    zalo = ChannelStatus(paused=False, lanes=lanes, **open_circuit)
    report = StatusReport(findings=(), channels={ChannelName.ZALO: zalo})
    lines = lines_of(TopAnswer(at=AT, status=report, plans=[]), 80, 40)
    states = {words[2]: words[1] for line in lines if (words := line.split())[:1] == ["zalo"]}
    assert states == dict.fromkeys(Lane, "ok") | {Lane.NOTICE: "open"}


def test_a_channel_with_a_problem_is_not_called_ok():
    def finding(severity: Severity, about: str) -> StatusFinding:
        texts = {"message": "", "message_vi": ""}
        return StatusFinding(severity=severity, code="c", about=about, **texts)

    channel = ChannelStatus(paused=False, lanes={Lane.NORMAL: LaneStatus(backlog=1)})
    found = [
        finding(Severity.ACT, ChannelName.ZALO),
        finding(Severity.WATCH, ChannelName.ZALO),
        finding(Severity.WATCH, "email.notices"),
        finding(Severity.NOTE, ChannelName.PORTAL),
        finding(Severity.ACT, "dead"),
    ]
    report = StatusReport(findings=tuple(found), channels=dict.fromkeys(ChannelName, channel))
    lines = lines_of(TopAnswer(at=AT, status=report, plans=[]), 80, 40)
    states = {words[0]: words[1] for line in lines if (words := line.split())[2:3] == ["normal"]}
    assert states == {"portal": "ok", "email": "warning", "zalo": "problem"}


async def test_looks_in_quick_succession_write_one_test_message(bus, tmp_path, clock):
    loader = StatusLoader(
        LoaSettings(_env_file=None, data_dir=tmp_path), bus, own=False, clock=clock
    )

    async def writes() -> int:
        found = await bus.bucket(subjects.CONTROL.name).get("status.write")
        return found.revision if found else 0

    await loader.load()
    first = await writes()
    for _ in range(3):
        await loader.load()
    assert (await writes()) == first > 0
    clock.advance(STORE_CHECK_INTERVAL_S)
    await loader.load()
    assert (await writes()) > first


def test_without_a_terminal_a_problem_is_told_whole():
    answer = busy_answer(1)
    console = Console(width=80, file=io.StringIO())
    console.print(draw(answer, Size(80, 10_000, is_screen=False), ""))
    told = " ".join(console.file.getvalue().split())
    assert answer.status.findings[0].message.strip() in told


async def test_without_a_terminal_one_look_is_printed(intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ddp", b"pp")
    shown = await loa("top")
    assert shown.exit_code == 0
    assert f"{ITEM}.1" in shown.stdout
    answer = json_output(await loa("top", "--json"))
    [plan] = answer["plans"]
    assert (plan["content_id"], plan["expected"], plan["waiting"]) == (ITEM, 5, 3)
    assert answer["status"]["channels"]["email"]["lanes"]["normal"]["backlog"] == 3
