"""Dispatch plans only what Loa released: the seal and the register say so."""

import time
from dataclasses import replace

import pytest
import structlog

from consumers.dispatch.release_guard import ReleaseGuard
from consumers.intake.handler import Intake
from consumers.intake.repository import ItemRepository
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.errors import ContractError, Invalid
from contracts.vocabulary import DEFAULT
from tests.support.decisions import approve_item
from tests.support.events import ITEM, UNIT, register_unit, submitted, withdrawn
from tests.support.seals import FORGERIES, new_seals, open_seals, write_past_the_desk


class Release:
    """A genuine publication on a bus, and the guard before dispatch."""

    def __init__(self, bus, seals) -> None:
        self.bus, self.seals = bus, seals
        self.intake = Intake(bus, DEFAULT, time.time, seals)
        self.guard = ReleaseGuard(seals, ItemRepository(bus), time.time)

    async def message(self, seq: int = 1):
        return await self.bus.get_message(subjects.PUBLICATIONS.name, seq)

    async def refusal(self, seq: int) -> list[str]:
        """The fields of the refusal; there is an alarm in the log, too."""
        with structlog.testing.capture_logs() as logs, pytest.raises(Invalid) as caught:
            await self.guard.require_released(await self.message(seq))
        alarms = [one for one in logs if one["event"] == "publication_not_released"]
        assert [(one["log_level"], one["seq"]) for one in alarms] == [("error", seq)]
        assert all(error.message and error.message_vi for error in caught.value.errors)
        return [error.field for error in caught.value.errors]


@pytest.fixture
async def release(bus, tmp_path):
    await register_unit(bus)
    release = Release(bus, new_seals(tmp_path))
    await release.intake.handle(submitted(), UNIT)
    return release


async def test_what_loa_released_is_admitted(release):
    await release.intake.handle(withdrawn(), UNIT)
    for seq in (1, 2):
        admitted = await release.guard.require_released(await release.message(seq))
        assert (admitted.publication.content_id, admitted.seq) == (ITEM, seq)


async def test_a_publication_is_admitted_before_the_register_has_its_sequence(release):
    await release.intake.repository.update_position(
        ITEM, 1, lambda one: one.model_copy(update={"seq": None})
    )
    assert (await release.guard.require_released(await release.message())).seq == 1


@pytest.mark.promise("2.7")
async def test_every_forgery_is_refused_with_an_alarm(bus, release):
    """One test for all of them: each shares the bus and the genuine message."""
    genuine = await release.message()
    for name, forge in FORGERIES.items():
        seq = await write_past_the_desk(bus, forge(genuine))
        assert await release.refusal(seq) == ["Loa-Seal"], name


@pytest.mark.promise("2.7")
async def test_a_copy_of_a_genuine_message_is_refused_with_an_alarm(bus, release):
    seq = await write_past_the_desk(bus, await release.message())
    assert await release.refusal(seq) == ["Loa-Seal"]
    assert (await release.guard.require_released(await release.message())).seq == 1


async def test_a_sealed_message_that_this_version_cannot_read_stays_a_broken_contract(bus, release):
    subject, body = "publication.cai-cach-hanh-chinh.la", b"{}"
    ack = await bus.publish(subject, body, headers=release.seals.headers(subject, body))
    with pytest.raises(ContractError):
        await release.guard.require_released(await release.message(ack.seq))


async def test_a_foreign_message_under_the_id_of_a_release_does_not_take_its_place(bus, release):
    """The stream answers that it has the message already; what it has is not Loa's."""
    squatted = submitted("tin-bi-chiem")
    subject = subjects.publication("cai-cach-hanh-chinh", "tin-bi-chiem")
    await bus.publish(subject, b"{}", msg_id="tin-bi-chiem.1")
    await release.intake.handle(squatted, UNIT)
    position = await release.intake.repository.position("tin-bi-chiem", 1)
    admitted = await release.guard.require_released(await release.message(position.seq))
    assert admitted.publication.content_id == "tin-bi-chiem"
    assert await release.refusal(2) == ["Loa-Seal"]


async def test_a_forged_text_of_a_draft_is_not_taken_for_its_release(bus, release):
    """The desk approves later; then its own text is published, not what lies there already."""
    await register_unit(bus, release="desk")
    await release.intake.handle(submitted("tin-cho-duyet"), UNIT)
    forged = FORGERIES["without a seal"](await release.message())
    body = forged.data.replace(ITEM.encode(), b"tin-cho-duyet").replace(b"kenh", b"kinh")
    subject = forged.subject.replace(ITEM, "tin-cho-duyet")
    await bus.publish(subject, body)
    assert await release.refusal(2) == ["Loa-Seal"]
    position = await approve_item(release.intake.decisions, "tin-cho-duyet", "Trần Thị Bình")
    assert position.seq == 3
    assert (await release.guard.require_released(await release.message(3))).seq == 3


async def test_what_was_stored_before_the_seals_is_proven_by_the_register(bus, tmp_path):
    await register_unit(bus)
    await Intake(bus, DEFAULT, time.time).handle(submitted(), UNIT)  # seals nothing
    release = Release(bus, await open_seals(bus, tmp_path, time.time))
    assert (await release.guard.require_released(await release.message())).seq == 1
    copy = await write_past_the_desk(bus, await release.message())
    assert await release.refusal(copy) == ["Loa-Seal"]


async def test_an_unsealed_message_waits_for_the_register_during_an_upgrade_only(bus, tmp_path):
    await register_unit(bus)
    await Intake(bus, DEFAULT, time.time).handle(submitted(), UNIT)
    release = Release(bus, await open_seals(bus, tmp_path, time.time))
    await ItemRepository(bus).bucket.purge(f"{ITEM}.1")
    with pytest.raises(RetryLater):
        await release.guard.require_released(await release.message())
    later = ReleaseGuard(release.seals, ItemRepository(bus), lambda: time.time() + 600)
    with pytest.raises(Invalid, match="no record of a release"):
        await later.require_released(await release.message())


async def sent_again(release, message):
    """The sequence of a message that an operator sends again."""
    headers = await release.guard.replay_headers(message)
    return (await release.bus.publish(message.subject, message.data, headers=headers)).seq


async def test_a_genuine_message_that_is_sent_again_is_admitted_and_no_copy_of_another(release):
    seq = await sent_again(release, await release.message())
    assert (await release.guard.require_released(await release.message(seq))).seq == seq
    third = await sent_again(release, await release.message(seq))
    assert (await release.guard.require_released(await release.message(third))).seq == third
    copied = await write_past_the_desk(release.bus, replace(await release.message(), headers={}))
    with pytest.raises(Invalid, match="has no seal"):
        await release.guard.replay_headers(await release.message(copied))


async def test_a_forgery_from_before_the_seals_is_not_sealed_by_sending_it_again(bus, tmp_path):
    """The register proves what has no seal; what it does not name stays a forgery."""
    await register_unit(bus)
    await Intake(bus, DEFAULT, time.time).handle(submitted(), UNIT)
    genuine = await bus.get_message(subjects.PUBLICATIONS.name, 1)
    forged = replace(
        genuine,
        subject=genuine.subject.replace(ITEM, "tin-gia"),
        data=genuine.data.replace(ITEM.encode(), b"tin-gia"),
    )
    seq = await write_past_the_desk(bus, forged)
    release = Release(bus, await open_seals(bus, tmp_path, time.time))
    with pytest.raises(Invalid, match="in no record of a release"):
        await release.guard.replay_headers(await release.message(seq))
    again = await sent_again(release, genuine)
    assert (await release.guard.require_released(await release.message(again))).seq == again
