"""The item that an address names, for the person who is signed in."""

from contracts.desk.previews import Wanted
from producers.desk.visit import Visit

REVISION, READER = "ban", "nguoi-nhan"
"""Fields of addresses."""
_MOST_DIGITS = 9


def wanted_item(visit: Visit) -> Wanted:
    query = visit.request.query_params
    content_id = visit.request.path_params["content_id"]
    revision = read_revision(query.get(REVISION, ""))
    return Wanted(visit.visitor.account.id, content_id, revision, query.get(READER, ""))


def read_revision(number: str) -> int | None:
    """The revision that a field names; None for none and for anything else."""
    is_number = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return int(number) if is_number else None
