"""The screen of `loa top`: problems first, then lanes with their backlog, then items."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consumers.channel_health.breaker import BreakerState
from consumers.cli.status import finding_texts, lane_breaker
from consumers.status.open_plans import OpenPlan
from consumers.status.report import ChannelStatus, LaneStatus, Severity, StatusReport
from contracts.delivery import ChannelName, Lane
from contracts.errors import Bilingual
from contracts.text.moments import format_for_people

_BAR_WIDTH = 14
_FRAME_LINES = 7
"""Title, footer, the heads of two tables, two empty lines, and the line where a cursor stays."""
_MIN_ITEM_LINES = 3
_WORDS = {Severity.ACT: "problem", Severity.WATCH: "warning"}
_STYLES = {Severity.ACT: "bold red", Severity.WATCH: "yellow", Severity.NOTE: "dim"}


class TopAnswer(BaseModel):
    """One look: the status, and the plans with rows on their way."""

    at: datetime
    status: StatusReport
    plans: list[OpenPlan]


class Size(NamedTuple):
    """The columns and lines of a terminal; of a screen, which cuts what does not fit."""

    width: int
    height: int
    is_screen: bool = True


class _LaneRow(NamedTuple):
    channel: ChannelName
    state: str
    lane: Lane | None = None
    status: LaneStatus = LaneStatus()


def draw(answer: TopAnswer, size: Size, footer: str) -> RenderableType:
    """The screen; it has no more lines than *size*."""
    room = size.height - _FRAME_LINES
    problems = list(_problem_lines(answer.status, is_cut=size.is_screen))
    lanes = list(_lane_rows(answer.status))
    problems = problems[: max(room // 3 // 2, 1) * 2]
    lanes = lanes[: max(room - len(problems) - _MIN_ITEM_LINES, 1)]
    plans = answer.plans[: max(room - len(problems) - len(lanes), 0)]
    return Group(
        _title(answer),
        *problems,
        Text(),
        _lane_table(lanes),
        Text(),
        _plan_table(plans, len(answer.plans)),
        Text(footer, style="dim", no_wrap=True, overflow="ellipsis"),
    )


def _title(answer: TopAnswer) -> Text:
    report = answer.status
    needs = sum(finding.severity is Severity.ACT for finding in report.findings)
    version = report.versions.get("loa", "")
    state, style = (
        Bilingual("nothing needs a person", "không có việc cần người xử lý"),
        "bold green",
    )
    if needs:
        verb, style = "needs" if needs == 1 else "need", "bold red"
        state = Bilingual(f"{needs} {verb} a person", f"{needs} việc cần người xử lý")
    elif not report.at_work:
        state, style = Bilingual("Loa does not run", "Loa không chạy"), "bold yellow"
    title = Text(f"Loa {version}  {format_for_people(answer.at)}  ", no_wrap=True)
    return title.append(" / ".join(state), style=style)


def _problem_lines(report: StatusReport, *, is_cut: bool) -> Iterator[Text]:
    """Two lines for each finding, English and Vietnamese, whole unless *is_cut*."""
    for finding in report.findings:
        for text in finding_texts(finding):
            style = _STYLES[finding.severity]
            yield Text(text, style=style, no_wrap=is_cut, overflow="ellipsis" if is_cut else "fold")


def _lane_rows(report: StatusReport) -> Iterator[_LaneRow]:
    """The lanes with a backlog or a rate; one row for a channel without any."""
    for name, channel in report.channels.items():
        well = _worst(report, name)
        busy = {lane: one for lane, one in channel.lanes.items() if one.backlog or one.per_s}
        for lane, status in busy.items():
            breaker = lane_breaker(name, channel, lane)
            yield _LaneRow(name, _state(channel, breaker, well), lane, status)
        if not busy:
            yield _LaneRow(name, _state(channel, channel.breaker, well))


def _state(channel: ChannelStatus, breaker: BreakerState, well: str) -> str:
    """A pause, the circuit that does not work, or else *well*, by the channel's findings."""
    if channel.paused:
        return "paused"
    return well if breaker is BreakerState.CLOSED else breaker.value


def _worst(report: StatusReport, name: ChannelName) -> str:
    """Worst state of a channel by its findings, while its circuits work."""
    found = {one.severity for one in report.findings if one.about.partition(".")[0] == name}
    return next((word for severity, word in _WORDS.items() if severity in found), "ok")


def _lane_table(rows: list[_LaneRow]) -> Table:
    table = _table("channel", "state", "lane", "", ">backlog", ">oldest", ">per s", ">left")
    most = max((row.status.backlog for row in rows), default=0)
    for row in rows:
        one, is_ok = row.status, row.state == "ok"
        table.add_row(
            row.channel,
            Text(row.state, style="green" if is_ok else "bold red"),
            row.lane or "",
            _bar(one.backlog, most) if row.lane else "",
            f"{one.backlog:,}",
            _span(one.oldest_s) if one.backlog else "",
            f"{one.per_s:,.1f}" if one.per_s else "",
            "" if one.left_s is None or not one.backlog else _span(one.left_s),
        )
    return table


def _plan_table(plans: list[OpenPlan], count: int) -> Table:
    more = f" ({len(plans)} of {count})" if count > len(plans) else ""
    table = _table(f"on its way{more}", "channel", "lane", "", ">done", ">of", ">%")
    table.columns[0].ratio = 1
    for plan in plans:
        name = f"{plan.content_id}.{plan.revision}" if plan.content_id else "to single people"
        percent = f"{100 * plan.ended // max(plan.expected, 1)}"
        bar = _bar(plan.ended, plan.expected)
        numbers = (f"{plan.ended:,}", f"{plan.expected:,}", percent)
        table.add_row(Text(name), plan.channel, plan.lane, bar, *numbers)
    return table


def _table(*heads: str) -> Table:
    """A table without lines around it; a head with `>` is of a column of numbers."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head.lstrip(">"), no_wrap=True, overflow="ellipsis")
        table.columns[-1].justify = "right" if head.startswith(">") else "left"
    return table


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=done, width=_BAR_WIDTH)


def _span(seconds: float) -> str:
    """A time in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
