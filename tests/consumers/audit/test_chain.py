"""A chain of audit records: each kind of tampering is found, with its position."""

from datetime import UTC, datetime

import pytest

from consumers.audit.chain import (
    EMPTY_HASH,
    AuditRecord,
    ChainFault,
    ChainVerifier,
    Fault,
    Step,
    chain_hash,
)

LENGTH = 40
AT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


def link(n: int, prev: str, actor: str = "an") -> bytes:
    facts = {"actor": actor, "action": "units.add", "object": f"đơn vị {n}"}
    return AuditRecord(n=n, at=AT, step=Step.DONE, prev=prev, **facts).encode()


def chain(actor_at=lambda n: "an") -> tuple[list[bytes], dict[int, str]]:
    """Bodies, and the hash of each by number."""
    bodies, hashes, prev = [], {}, EMPTY_HASH
    for n in range(1, LENGTH + 1):
        bodies.append(link(n, prev, actor_at(n)))
        prev = hashes[n] = chain_hash(prev, bodies[-1])
    return bodies, hashes


BODIES, HASHES = chain()
HEAD = {LENGTH: HASHES[LENGTH]}
EVERYWHERE = range(1, LENGTH)


def faults(bodies, heads=HEAD):
    verifier = ChainVerifier(heads)
    for body in bodies:
        verifier.add(body)
    return verifier.finish()


def test_a_whole_chain_has_no_fault():
    assert faults(BODIES) == []
    assert faults(BODIES, {7: HASHES[7], **HEAD}) == []
    assert faults([], {}) == []


@pytest.mark.parametrize("spoiled", [lambda b: b.replace(b'"an"', b'"em"'), lambda _: b"{}"])
def test_a_changed_record_is_named(spoiled):
    for n in EVERYWHERE:
        changed = [*BODIES[: n - 1], spoiled(BODIES[n - 1]), *BODIES[n:]]
        assert faults(changed) == [ChainFault(n, Fault.CHANGED)]


def test_a_dropped_record_is_named():
    for n in range(2, LENGTH):
        dropped = BODIES[: n - 1] + BODIES[n:]
        assert faults(dropped) == [ChainFault(n, Fault.DROPPED)]


def test_an_inserted_record_is_named():
    for n in EVERYWHERE:
        forged = link(n, HASHES.get(n - 1, EMPTY_HASH), "kẻ lạ")
        inserted = [*BODIES[: n - 1], forged, *BODIES[n - 1 :]]
        assert faults(inserted) == [ChainFault(n, Fault.INSERTED)]


def test_swapped_records_are_named():
    for n in EVERYWHERE:
        swapped = [*BODIES[: n - 1], BODIES[n], BODIES[n - 1], *BODIES[n + 1 :]]
        assert faults(swapped) == [ChainFault(n, Fault.REORDERED)]


def test_a_tail_that_was_cut_off_is_told_by_the_head_that_was_kept_elsewhere():
    for n in EVERYWHERE:
        assert faults(BODIES[:n]) == [ChainFault(n + 1, Fault.CUT)]
        assert faults(BODIES[:n], {}) == []


def test_a_purged_beginning_is_told():
    for n in EVERYWHERE:
        assert faults(BODIES[n:]) == [ChainFault(1, Fault.PURGED)]


def test_a_chain_that_was_written_anew_from_a_record_on_is_told_by_the_first_head_behind_it():
    heads = {n: HASHES[n] for n in (10, 20, 30, LENGTH)}
    for first in EVERYWHERE:
        bodies, _ = chain(lambda n, first=first: "an" if n < first else "em")
        behind = min(n for n in heads if n >= first)
        assert faults(bodies, heads) == [ChainFault(behind, Fault.REWRITTEN)]


def test_the_last_record_changed_is_told_by_the_head():
    changed = [*BODIES[:-1], BODIES[-1].replace(b'"an"', b'"em"')]
    assert faults(changed) == [ChainFault(LENGTH, Fault.REWRITTEN)]
