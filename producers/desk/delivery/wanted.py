"""The item that an address names, for the person who is signed in."""

from contracts.desk.previews import Wanted
from producers.desk.visit import Visit

REVISION, READER = "ban", "nguoi-nhan"
"""Fields of addresses."""
_MOST_DIGITS = 9


def wanted_item(visit: Visit) -> Wanted:
    query = visit.request.query_params
    number = query.get(REVISION, "")
    is_number = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    revision = int(number) if is_number else None
    content_id = visit.request.path_params["content_id"]
    return Wanted(visit.visitor.account.id, content_id, revision, query.get(READER, ""))
