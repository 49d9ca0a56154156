"""A seal fits what was sealed with its key, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base.seals import Sealer, SealState

SEALER = Sealer(b"k" * 32)
PARTS = (b"publication.a.b", b"body", b"")
SEAL = SEALER.seal(*PARTS)


def test_a_seal_fits_what_was_sealed():
    assert SEALER.verify(SEAL, *PARTS) is SealState.VALID
    assert SEALER.seal(*PARTS) == SEAL


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_other_parts_or_other_borders_have_another_seal(one, other):
    same = SEALER.seal(*one) == SEALER.seal(*other)
    assert same == (one == other)


@pytest.mark.parametrize(
    "seal", [SEAL[:-1], SEAL + "A", "x", "v1", "giả mạo", SEAL.swapcase(), SEAL[:12] + "é" * 43]
)
def test_a_changed_seal_does_not_fit(seal):
    assert SEALER.verify(seal, *PARTS) is not SealState.VALID


def test_a_seal_of_another_key_is_told_from_a_forged_one():
    other = Sealer(b"o" * 32).seal(*PARTS)
    assert SEALER.verify(other, *PARTS) is SealState.OTHER_KEY
    assert SEALER.verify(other.replace("v1.", "v2.", 1), *PARTS) is SealState.OTHER_KEY
    assert SEALER.verify(f"v1.{SEALER.key_id}.AAAA", *PARTS) is SealState.WRONG
    assert SEALER.verify("", *PARTS) is SealState.MISSING


def test_a_seal_does_not_contain_its_key():
    assert (b"k" * 32).hex() not in SEAL
    assert "kkkk" not in SEAL + repr(SEALER)
