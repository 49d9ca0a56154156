"""The anchor: a vandalised bus is seen, and what Loa does itself is no damage."""

import json

import pytest
import structlog

from consumers.audit.anchor import Anchor
from consumers.audit.bus_state import observe
from consumers.audit.chain import Step
from consumers.audit.log import Act, AuditLog
from consumers.cli import stores
from consumers.key_file import KeyFile, open_key_file
from contracts import subjects
from producers.bus import topology
from tests.support.records_forger import seal_new_records


@pytest.fixture
def machine(bus, clock, tmp_path):
    """The anchor of this machine, and others as `machine("b")`."""

    def anchor(name: str = "a") -> Anchor:
        seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))
        return Anchor(bus, tmp_path / f"{name}.json", tmp_path / "vault.key", clock)

    return anchor


@pytest.fixture
async def anchor(bus, machine):
    """An anchor of a bus in use: streams have messages, buckets keys."""
    for number in range(3):
        await bus.publish(subjects.content("vu-a", "submitted"), b"{}")
        await bus.publish(subjects.publication("tin", f"tin-{number}"), b"{}")
        await bus.publish(subjects.dead("intake"), b"{}")
        await bus.bucket("ledger").put(f"state.{number}", b"{}")
        await bus.bucket("subscribers").put(f"p{number}", b"{}")
    anchor = machine()
    await anchor.renew()
    return anchor


async def found(anchor):
    return [(damage.stream, damage.code) for damage in await anchor.examine()]


async def api(bus, call, query=None):
    return await bus.connection.api_request(call, query)


PURGED = ("CONTENT", "PUBLICATIONS", "KV_ledger", "KV_subscribers")


@pytest.mark.parametrize("stream", PURGED)
async def test_a_purged_stream_is_named_and_stays_named(bus, anchor, stream):
    await api(bus, f"STREAM.PURGE.{stream}")
    for _ in range(2):
        await anchor.renew()
        assert [(one.stream, one.code) for one in anchor.damages] == [(stream, "bus_stream_lost")]
    text = anchor.damages[0].field_error
    assert "loa audit accept" in text.message and "khôi phục" in text.message_vi


async def test_an_audit_record_of_a_writer_without_the_key_is_named_and_stays_named(
    bus, anchor, clock
):
    audit, act = AuditLog(bus, clock), Act("units.add", "vu-a", "an")
    await audit.record(act)
    await anchor.renew()
    assert anchor.damages == []
    forged = act.to_record(await audit.head(), clock, Step.DONE, 0)
    await bus.publish(subjects.AUDIT_RECORD, forged.encode())
    await audit.record(act)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await anchor.renew()
            assert [one.code for one in anchor.damages] == ["bus_audit_unsealed"]
    assert [(one["log_level"], one["stream"]) for one in logs] == [("error", "AUDIT")]
    assert "loa audit verify" in anchor.damages[0].field_error.message


@pytest.mark.parametrize("stream", ["DEAD", "KV_units", "KV_vault", "DELIVER"])
async def test_a_deleted_stream_is_named_before_and_after_a_start_makes_it_anew(
    bus, anchor, stream
):
    await api(bus, f"STREAM.DELETE.{stream}")
    assert await found(anchor) == [(stream, "bus_stream_gone")]
    await topology.apply(bus)
    assert await found(anchor) == [(stream, "bus_stream_anew")]


async def test_one_message_too_few_is_named(bus, anchor):
    await api(bus, "STREAM.MSG.DELETE.PUBLICATIONS", {"seq": 2, "no_erase": True})
    assert await found(anchor) == [("PUBLICATIONS", "bus_stream_lost")]


class Trouble:
    """Errors of a bus that can't store, as often as it is asked."""

    def __init__(self):
        self.said, self.asked = "no space left on device", 0

    async def __call__(self, bus):
        self.asked += 1
        return self.said


async def test_a_bus_that_can_not_store_is_judged_once_it_can(bus, anchor):
    """Its server counts messages that it could not write; what can't be read twice is no loss."""
    state, trouble = anchor.path.read_text(), Trouble()
    anchor.bus_trouble = trouble
    await api(bus, "STREAM.MSG.DELETE.PUBLICATIONS", {"seq": 2, "no_erase": True})
    await api(bus, "STREAM.DELETE.DEAD")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await anchor.renew()
            assert [(one.stream, one.code) for one in anchor.damages] == [
                ("DEAD", "bus_stream_gone")
            ]
            assert anchor.unjudged == trouble.said
        trouble.said = ""
        await anchor.renew()
    assert {one.stream for one in anchor.damages} == {"DEAD", "PUBLICATIONS"}
    assert anchor.unjudged == "" and anchor.path.read_text() == state
    assert [(one["event"], one.get("stream")) for one in logs] == [
        ("bus_unjudged", None), ("bus_damaged", "DEAD"), ("bus_damaged", "PUBLICATIONS"),
    ]  # fmt: skip


async def test_what_was_judged_before_stays_named_while_nothing_can_be_judged(bus, anchor):
    await api(bus, "STREAM.MSG.DELETE.PUBLICATIONS", {"seq": 2, "no_erase": True})
    await anchor.renew()
    anchor.bus_trouble = Trouble()
    for _ in range(2):
        await anchor.renew()
        assert [one.code for one in anchor.damages] == ["bus_stream_lost"]


async def test_a_bus_that_is_well_is_asked_for_no_test_message(anchor):
    anchor.bus_trouble = Trouble()
    await anchor.renew()
    assert anchor.bus_trouble.asked == 0


async def test_a_loss_that_a_second_look_does_not_find_is_none(bus, anchor):
    await api(bus, "STREAM.MSG.DELETE.PUBLICATIONS", {"seq": 2, "no_erase": True})
    before = await anchor._baseline()

    async def well_again(_):
        as_it_is = (await observe(bus)).streams["PUBLICATIONS"]
        known = before.model_copy(update={"streams": before.streams | {"PUBLICATIONS": as_it_is}})
        body = known.model_dump(mode="json")
        anchor.path.write_text(json.dumps({"state": body, "mac": anchor._mac(body)}))
        return ""

    anchor.bus_trouble = well_again
    assert await found(anchor) == []


async def test_the_log_takes_an_alarm_back(bus, anchor, machine, clock):
    await api(bus, "STREAM.PURGE.KV_ledger")
    await anchor.renew()
    clock.advance(1)
    await machine().accept()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await anchor.renew()
    assert [(one["event"], one["stream"], one["damage"]) for one in logs] == [
        ("bus_damage_ended", "KV_ledger", "bus_stream_lost")
    ]


async def test_a_setting_that_was_changed_while_loa_runs_is_named(bus, anchor):
    config = (await bus.stream_info("KV_subscribers"))["config"]
    copied = config | {"republish": {"src": ">", "dest": "copy.>"}}
    await api(bus, "STREAM.UPDATE.KV_subscribers", copied)
    [damage] = await anchor.examine()
    assert (damage.code, damage.facts["settings"]) == ("bus_stream_changed", "republish")


async def test_what_loa_does_itself_is_no_damage(bus, anchor, clock):
    """Purges of keys, erased events with their dead letters, work that is done, time."""
    await bus.bucket("subscribers").purge("p1")
    await bus.bucket("ledger").put("state.1", b"{1}")
    await bus.erase_message("CONTENT", 1)
    await bus.publish("deliver.email.normal", b"{}")
    await anchor.renew()
    await api(bus, "STREAM.PURGE.DELIVER")
    clock.advance(8 * 86400)
    await anchor.renew()
    assert anchor.damages == []
    assert json.loads(anchor.path.read_text())["state"]["streams"]["DELIVER"]["last"] == 1
    assert anchor.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("letters", [0, 1])
async def test_more_events_gone_than_dead_letters_came_is_damage(bus, anchor, letters):
    """An event that held a contact is erased once it has a dead letter."""
    for _ in range(letters):
        await bus.publish(subjects.dead("intake"), b"{}")
    for seq in range(1, 4):
        await bus.erase_message("CONTENT", seq)
    assert await found(anchor) == [("CONTENT", "bus_stream_lost")]


async def test_the_first_start_writes_an_anchor_and_finds_nothing(bus, machine):
    anchor = machine("new")
    assert await found(anchor) == []
    assert not anchor.path.exists()
    await anchor.renew()
    assert anchor.path.exists()
    assert await found(anchor) == []


async def test_an_older_state_put_in_place_is_named(bus, anchor):
    signed = json.loads(anchor.path.read_text())
    later = await anchor._baseline()
    ahead = later.streams["PUBLICATIONS"].model_copy(update={"last": 9, "kept": 9})
    state = later.model_copy(update={"streams": later.streams | {"PUBLICATIONS": ahead}})
    body = state.model_dump(mode="json")
    anchor.path.write_text(json.dumps({"state": body, "mac": anchor._mac(body)}))
    assert signed["mac"] != anchor._mac(body)
    assert await found(anchor) == [("PUBLICATIONS", "bus_stream_back")]


@pytest.mark.parametrize("body", ["", "{}", '{"state": {}, "mac": ""}', "tampered"])
async def test_an_anchor_that_this_key_has_not_signed_is_named_and_left(bus, anchor, body):
    text = anchor.path.read_text()
    anchor.path.write_text(text.replace('"PUBLICATIONS"', '"X"') if body == "tampered" else body)
    await anchor.renew()
    assert [damage.code for damage in anchor.damages] == ["bus_anchor_broken"]
    assert '"PUBLICATIONS"' not in anchor.path.read_text()


async def test_the_key_of_other_data_is_named_and_nothing_else_is_blamed(bus, anchor, tmp_path):
    await open_key_file(bus, tmp_path / "vault.key")
    (tmp_path / "vault.key").write_text("ab" * 32)
    for _ in ("signed with the right key", "no anchor at all"):
        await anchor.renew()
        found = [(damage.stream, damage.code) for damage in anchor.damages]
        assert found == [("vault.key", "key_of_other_data")]
        anchor.path.unlink(missing_ok=True)
    (tmp_path / "vault.key").write_text("no key")
    await anchor.renew()
    assert [damage.code for damage in anchor.damages] == ["key_broken"]


async def test_what_one_machine_accepts_all_believe(bus, anchor, machine, clock):
    other = machine("b")
    await other.renew()
    await api(bus, "STREAM.PURGE.KV_ledger")
    clock.advance(1)
    await anchor.accept()
    for one in (anchor, other):
        await one.renew()
        assert one.damages == []
    await api(bus, "STREAM.PURGE.KV_subscribers")
    for one in (anchor, other):
        assert await found(one) == [("KV_subscribers", "bus_stream_lost")]


async def test_only_the_key_accepts(bus, anchor, machine, tmp_path, clock):
    await api(bus, "STREAM.PURGE.KV_ledger")
    clock.advance(1)
    KeyFile.open(tmp_path / "other.key")
    stranger = Anchor(bus, tmp_path / "c.json", tmp_path / "other.key", clock)
    await stranger.accept()
    assert await found(anchor) == [("KV_ledger", "bus_stream_lost")]


async def test_the_commands_name_the_damage_and_what_to_do(loa, bus, machine):
    await bus.bucket("subscribers").put("p", b"{}")
    await machine("bus-state").renew()
    assert (await loa("check")).exit_code == 0
    await api(bus, "STREAM.PURGE.KV_subscribers")
    for words in (("status",), ("check",)):
        told = (await loa(*words)).output
        assert "KV_subscribers" in told and "loa audit accept" in told and "giữ nguyên kho" in told
    assert (await loa("check")).exit_code == 1
    await loa("audit", "accept", "--by", "An", "--reason", "thử nghiệm", "--yes")
    assert (await loa("check")).exit_code == 0
    await api(bus, "STREAM.DELETE.KV_units")
    for words in (("status",), ("check",)):
        run = await loa(*words)
        assert run.exit_code != 0 and "KV_units" in run.output


async def test_no_command_calls_a_bus_damaged_that_can_not_store(loa, bus, machine, monkeypatch):
    """`loa audit accept` would take a loss for right that is none."""
    await bus.bucket("subscribers").put("p", b"{}")
    machine()  # makes the key
    assert "KV_subscribers" not in (await loa("check")).output
    await api(bus, "STREAM.PURGE.KV_subscribers")
    monkeypatch.setattr(stores, "store_problem", Trouble())
    status, check = await loa("status"), await loa("check")
    for run in (status, check):
        assert "audit accept" not in run.output and "KV_subscribers" not in run.output
    assert "not looked at: bus-damaged: no space left on device" in check.output
    monkeypatch.undo()
    for words in ("status", "check"):
        assert "KV_subscribers" in (await loa(words)).output
