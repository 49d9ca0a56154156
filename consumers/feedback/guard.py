"""Admit only receipts that Loa's own doors have stored, by their seals."""

from collections.abc import Mapping

import structlog

from consumers.feedback.handler import AnyReceipt, parse_receipt
from consumers.messages import field_error
from contracts import subjects
from contracts.base.seals import SEAL_HEADER
from contracts.errors import Invalid
from producers.bus import Bus, Message
from producers.seals import message_problem

log = structlog.get_logger()
_CODES = {
    "seal_missing": "message_seal_missing",
    "seal_wrong": "message_seal_wrong",
    "seal_other_key": "message_seal_other_key",
}
"""The code of a seal's problem where any message may have it; publications have their own."""


async def require_sealed(bus: Bus, message: Message) -> AnyReceipt:
    """Parse a receipt. Raises Invalid, with an alarm in the log, for one that Loa did not store.

    Raises ContractError for an unreadable one.
    """
    if problem := await message_problem(bus, message):
        log.error("receipt_not_sealed", seq=message.seq, reason=problem)
        raise _not_sealed(message, problem)
    return parse_receipt(message.data)


async def replay_headers(bus: Bus, message: Message, msg_id: str) -> Mapping[str, str]:
    """The seal under which an operator sends *message* again. Raises Invalid for a forged one."""
    seals, problem = bus.seals_of(message.subject), await message_problem(bus, message)
    if problem or seals is None:
        raise _not_sealed(message, problem)
    return seals.headers(message.subject, message.data, msg_id)


def _not_sealed(message: Message, problem: str) -> Invalid:
    place = f"{subjects.RECEIPTS.name} #{message.seq}"
    return Invalid(field_error(SEAL_HEADER, _CODES[problem], place=place))
