"""The content_id of a new item: decided once for each form or command that begins one."""

from dataclasses import dataclass

from pydantic import BaseModel

from contracts import keys, subjects, text
from contracts.desk.editorial import NewItem
from producers.bus import Bus, records

_ID_LENGTH = 55
_SUFFIX_LENGTH = 6
_NEW = "new"


class _Reserved(BaseModel):
    """The content_id that the first order of a form got."""

    content_id: str


@dataclass(frozen=True)
class NewItemIds:
    """Content ids by person and form, kept in bucket `kept_texts` as long as unsaved texts are.

    A form that is sent again with another title gets the content_id of the first time. The log's
    compare-and-set alone can't see that, because the two would be on two subjects.
    """

    bus: Bus

    async def reserve(self, by: str, new: NewItem) -> str:
        """The content_id of *new*, the same for every order of its form. Raises BusError."""
        bucket = self.bus.bucket(subjects.KEPT_TEXTS.name)
        key, first = f"{_NEW}.{keys.digest(by, new.act_id)}", _Reserved(content_id=_content_id(new))
        kept = await records.update(bucket, key, _Reserved, lambda found: found or first)
        return kept.value.content_id


def _content_id(new: NewItem) -> str:
    """The name of a new item, for ever: its first title, and what tells it from all others."""
    title = text.slug(str(new.data.get("title", "")))[:_ID_LENGTH].strip("-") or "tin"
    return f"{title}-{keys.digest(new.act_id)[:_SUFFIX_LENGTH]}"
