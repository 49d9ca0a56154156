"""A trace goes on after the desk, and after a wake-up without trace context."""

import pytest

from consumers.staff.authorization import Actor
from contracts import subjects
from contracts.base import tracing
from tests.support.decisions import approve_item
from tests.support.events import ITEM, UNIT, register_unit, submitted
from tests.support.pipeline_harness import PipelineHarness
from tests.support.traced import traced

TRACE = f"{0xABC:032x}"
PARENT = {"traceparent": f"00-{TRACE}-{0xDEF:016x}-01"}


def traced_event():
    return submitted().model_copy(update={"extensions": PARENT})


@pytest.fixture
def loa(bus, tmp_path):
    return PipelineHarness(bus, tmp_path)


async def test_a_batch_that_a_sweeper_wakes_is_still_in_the_trace_of_its_event(loa, bus):
    await register_unit(bus)
    with traced() as process:
        await loa.intake.handle(traced_event(), UNIT)
        await loa.deliver(ITEM)
        [release], delivered = (
            process.spans("release PUBLICATIONS"),
            process.spans("deliver DELIVER"),
        )
        assert {one.attributes["loa.channel"] for one in delivered} == {"email", "portal", "zalo"}
        assert {one.parent.span_id for one in delivered} == {release.context.span_id}
        assert {one.context.trace_id for one in process.spans("window")} == {0xABC}


async def test_what_the_desk_releases_later_goes_on_in_the_trace_of_its_event(loa, bus):
    await register_unit(bus, release="desk")
    with traced() as process:
        await loa.intake.handle(traced_event(), UNIT)
        [intake] = process.spans("intake CONTENT")
    await approve_item(loa.desk, ITEM, Actor("bien-tap", "Biên tập viên"))
    async for message in bus.scan(subjects.PUBLICATIONS.name):
        with traced(), tracing.continued(message.headers):
            assert tracing.carrier()["traceparent"].split("-")[1:3] == [
                TRACE,
                f"{intake.context.span_id:016x}",
            ]


async def test_without_tracing_nothing_is_added_to_what_is_stored(loa, bus):
    await register_unit(bus)
    await loa.intake.handle(traced_event(), UNIT)
    stored = [one.headers async for one in bus.scan(subjects.PUBLICATIONS.name)]
    assert [tracing.PARENT in headers for headers in stored] == [False]
