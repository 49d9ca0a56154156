"""A forged audit log, and a purged, deleted or reconfigured stream, are named by commands.

The server refuses to remove records, so a forger deletes the stream and fills it anew.
"""

import json
import time
from dataclasses import replace

import pytest

from consumers.audit.chain import EMPTY_HASH, AuditRecord, Step, chain_hash
from consumers.audit.cut import AuditCutter
from consumers.audit.log import Act, AuditLog
from consumers.audit.signed import signing_key
from consumers.key_file import KeyFile, open_key_file
from contracts import subjects
from contracts.base.seals import SEAL_HEADER
from producers.bus import BusError, topology
from producers.bus.topology import wanted_configs
from tests.support.cli import json_output
from tests.support.seals import open_seals, use_key

ADD = Act("units.add", "vu-a", "an")
RECORDS = 8
FORGETTING = {
    *("DELIVER", "RECEIPTS", "STATUS", "CALLBACKS", "OBJ_uploads"),
    *("KV_notices", "KV_sessions", "KV_person_keys", "KV_kept_texts", "KV_trials"),
}
REFUSED = {"AUDIT", "DEAD", "EDITORIAL", "FACTS"}
PURGEABLE = sorted(set(topology.stream_names()) - FORGETTING - REFUSED)


@pytest.fixture
async def watched(loa, bus, tmp_path):
    """A bus with content in every stream, an audit log, and the records of this machine."""
    await open_key_file(bus, tmp_path / "vault.key")
    await open_seals(bus, tmp_path, time.time)
    await use_key(bus, tmp_path)
    audit = AuditLog(bus, time.time)
    for _ in range(RECORDS):
        await audit.record(ADD)
    for bucket in subjects.BUCKETS:
        await bus.bucket(bucket.name).put("planted", b"{}")
    for subject in ("content.vu-a.noted", "publication.tin.a", "opinion.portal.a.yes", "dead.a"):
        await bus.publish(subject, b"{}")
    assert await damaged_streams(loa) == set()
    return loa


def encoded(records):
    """A chain of *records* that is right in itself."""
    bodies, prev = [], EMPTY_HASH
    for n, record in enumerate(records, start=1):
        bodies.append(record.model_copy(update={"n": n, "prev": prev}).encode())
        prev = chain_hash(prev, bodies[-1])
    return bodies


def changed(bodies, at=4):
    return [*bodies[:at], bodies[at].replace(b'"an"', b'"em"'), *bodies[at + 1 :]]


def rewritten(bodies):
    records = [AuditRecord.model_validate_json(body) for body in bodies]
    records[4] = records[4].model_copy(update={"actor": "em"})
    return encoded(records)


def inserted(bodies):
    before = json.loads(bodies[4])
    forged = AuditRecord(**before).model_copy(update={"actor": "em"}).encode()
    return [*bodies[:4], forged, *bodies[4:]]


def continued(bodies):
    """With one more record, right in itself: the forger knows everything but the key."""
    records = [AuditRecord.model_validate_json(body) for body in bodies]
    return encoded([*records, records[-1].model_copy(update={"actor": "em"})])


FORGERIES = {
    "changed": (changed, {"changed", "unsealed"}),
    "last changed": (lambda b: changed(b, RECORDS - 1), {"rewritten", "unsealed"}),
    "dropped": (lambda b: b[:4] + b[5:], {"dropped"}),
    "inserted": (inserted, {"inserted", "unsealed"}),
    "reordered": (lambda b: [*b[:4], b[5], b[4], *b[6:]], {"reordered"}),
    "cut off": (lambda b: b[:-3], {"cut"}),
    "emptied": (lambda _: [], {"cut"}),
    "purged": (lambda b: b[3:], {"purged"}),
    "written anew": (rewritten, {"rewritten", "unsealed"}),
    "continued": (continued, {"unsealed"}),
}


@pytest.mark.parametrize(("forge", "faults"), FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_audit_log_is_named_by_verify_and_by_check(watched, bus, forge, faults):
    assert (await watched("audit", "verify")).exit_code == 0
    stored = [message async for message in AuditLog(bus, time.time).messages()]
    bodies, seals = [one.data for one in stored], {one.data: one.headers for one in stored}
    await bus.connection.api_request("STREAM.DELETE.AUDIT")
    await bus.connection.api_request("STREAM.CREATE.AUDIT", wanted_configs()["AUDIT"])
    for body in forge(bodies):
        headers = {SEAL_HEADER: seals[body][SEAL_HEADER]} if body in seals else {}
        await bus.publish(subjects.AUDIT_RECORD, body, headers=headers)
    verified = await watched("audit", "verify", "--json")
    assert verified.exit_code == 1
    assert {one["fault"] for one in json_output(verified)["faults"]} == faults
    await assert_check_names(watched, "AUDIT")


async def test_a_record_that_a_writer_without_the_key_adds_is_named_and_an_alarm(watched, bus):
    audit = AuditLog(bus, time.time)
    head = await audit.head()
    await bus.publish(subjects.AUDIT_RECORD, ADD.to_record(head, time.time, Step.DONE, 0).encode())
    await assert_check_names(watched, "AUDIT")
    await audit.record(ADD)
    verified = await watched("audit", "verify", "--json")
    assert json_output(verified)["faults"] == [{"n": head.n + 1, "fault": "unsealed"}]
    assert verified.exit_code == 1
    await assert_check_names(watched, "AUDIT")


async def damaged_streams(loa):
    check = await loa("check", "--json")
    damaged = [one for one in json_output(check)["violations"] if one["rule"] == "bus-damaged"]
    assert check.exit_code == 1 or not damaged
    return {one["key"] for one in damaged}


async def assert_check_names(loa, stream):
    assert stream in await damaged_streams(loa)


@pytest.mark.parametrize("stream", sorted(REFUSED))
async def test_the_server_refuses_to_purge_what_is_protected(watched, bus, stream):
    with pytest.raises(BusError):
        await bus.connection.api_request(f"STREAM.PURGE.{stream}")


@pytest.mark.parametrize("stream", PURGEABLE)
async def test_a_purged_stream_is_named_by_check(watched, bus, stream):
    await bus.connection.api_request(f"STREAM.PURGE.{stream}")
    await assert_check_names(watched, stream)


@pytest.mark.parametrize("stream", topology.stream_names())
async def test_a_deleted_stream_is_named_by_check_also_when_it_was_made_anew(watched, bus, stream):
    await bus.connection.api_request(f"STREAM.DELETE.{stream}")
    await assert_check_names(watched, stream)
    await topology.apply(bus)
    await assert_check_names(watched, stream)


BACKDOORS = {
    "republish": lambda _: {"republish": {"src": ">", "dest": "copy.>"}},
    "max_msgs": lambda _: {"max_msgs": 10_000},
    "subjects": lambda present: {"subjects": [*present["subjects"], "foreign.>"]},
}


@pytest.mark.parametrize("stream", topology.stream_names())
@pytest.mark.parametrize("backdoor", BACKDOORS.values(), ids=BACKDOORS)
async def test_a_changed_setting_is_named_by_check(watched, bus, stream, backdoor):
    present = (await bus.stream_info(stream))["config"]
    await bus.connection.api_request(f"STREAM.UPDATE.{stream}", present | backdoor(present))
    await assert_check_names(watched, stream)


async def test_an_older_copy_of_the_log_that_was_put_back_and_filled_up_is_named(watched, bus):
    """A restored stream keeps the time at which it was created."""
    pieces = []
    older = await bus.save_snapshot("AUDIT", pieces.append)
    audit = AuditLog(bus, time.time)
    await audit.record(ADD)
    await watched("check")
    await bus.connection.api_request("STREAM.DELETE.AUDIT")
    await bus.restore_snapshot("AUDIT", older, pieces)
    await assert_check_names(watched, "AUDIT")
    await audit.record(replace(ADD, actor="em"))
    await assert_check_names(watched, "AUDIT")
    assert (await watched("audit", "verify")).exit_code == 1


async def test_the_cut_of_retention_is_accepted_and_one_record_more_is_named(
    watched, bus, tmp_path
):
    """Also where a forger signs a mark of their own, or removes the genuine one."""
    cutter = AuditCutter(
        AuditLog(bus, time.time), signing_key(KeyFile.open(tmp_path / "vault.key"))
    )
    old = await cutter.find_old((await bus.get_message("AUDIT", 4)).time)
    await cutter.cut(old.end)
    verified = json_output(await watched("audit", "verify", "--json"))
    assert (verified["ok"], verified["removed_up_to"]) == (True, 3)
    assert "AUDIT" not in await damaged_streams(watched)
    mark = await bus.bucket("control").get("audit-cut")
    later = await cutter.find_old((await bus.get_message("AUDIT", 6)).time)
    await replace(cutter, key=signing_key(KeyFile(b"x" * 32))).cut(later.end)
    await assert_purged(watched)
    for stored in (b"{}", mark.data):
        await bus.bucket("control").put("audit-cut", stored)
        await assert_purged(watched)
    await bus.bucket("control").purge("audit-cut")
    await assert_purged(watched)


async def assert_purged(loa):
    verified = json_output(await loa("audit", "verify", "--json"))
    assert {one["fault"] for one in verified["faults"]} == {"purged"}
    await assert_check_names(loa, "AUDIT")
