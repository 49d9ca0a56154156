"""Two editors save the same item at the same moment, five hundred times: no text is lost."""

import asyncio

from consumers.editorial.log import EditorialLog
from contracts.editorial import Action, ActionKind, ItemState
from tests.support.editorial_world import START, a_text

_SAVES, _ITEMS = 500, 25


class MeetingLog(EditorialLog):
    """Both people of a pair have read the item before either adds to it."""

    pair: asyncio.Barrier | None = None

    async def read(self, content_id, known=None):
        found = await super().read(content_id, known)
        pair, self.pair = self.pair, None
        if pair:
            await pair.wait()
        return found


async def test_of_two_editors_at_once_both_texts_are_kept_and_the_second_has_seen_the_first(bus):
    logs, conflicts = {name: MeetingLog(bus) for name in ("nv-an", "nv-binh")}, 0

    async def save(by: str, number: int) -> None:
        asked = []

        def decide(state: ItemState) -> Action:
            asked.append(state)
            text = a_text(f"{by} {number}")
            facts = {"hash": text.hash, "text": text, "prev": state.head}
            revision = max(state.revision, 1)
            return Action(
                id=f"{by}.{number}",
                at=START,
                by=by,
                kind=ActionKind.SAVE,
                revision=revision,
                **facts,
            )

        await logs[by].act(f"tin-{number % _ITEMS}", decide)
        nonlocal conflicts
        conflicts += len(asked) > 1

    for number in range(_SAVES):
        pair = asyncio.Barrier(2)
        for log in logs.values():
            log.pair = pair
        await asyncio.gather(*(save(by, number) for by in logs))
    stored = [Action.model_validate_json(one.data) async for one in bus.scan("EDITORIAL")]
    assert len(stored) == 2 * _SAVES
    bodies = {one.text.data["body"] for one in stored}
    assert bodies == {f"{by} {number}" for by in logs for number in range(_SAVES)}
    assert conflicts == _SAVES, "each second one was asked again, with the first one's text"
    assert (await EditorialLog(bus).audit()).broken == {}
