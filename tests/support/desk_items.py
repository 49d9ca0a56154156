"""Items on the desk: drafts as people write them, and texts that units have sent."""

from consumers.editorial.log import EditorialLog
from contracts import events
from contracts.base.times import utc_now
from contracts.editorial import Action, ActionKind, EditorialText
from producers.bus import Bus
from tests.support.events import ITEM, UNIT, submitted


def desk_text(**changes) -> EditorialText:
    """A text written on the desk."""
    data = {**submitted().data, **changes}
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data=data)


async def save_draft(bus: Bus, clock, text: EditorialText, by: str, item: str = ITEM) -> None:
    """A person of the unit saves a draft, which no other person has seen."""

    def decide(state):
        return Action(
            id=f"save.{len(state.ids)}",
            at=utc_now(clock),
            by=by,
            kind=ActionKind.SAVE,
            revision=text.data["revision"],
            hash=text.hash,
            text=text,
            prev=state.head,
        )

    await EditorialLog(bus).act(item, decide)
