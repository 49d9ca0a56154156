"""After the calm: what must be true of the ledger, of the receivers, and of both together."""

from collections.abc import Iterator

from consumers.dispatch.audience import BROADCAST
from consumers.intake import items
from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import REACHED_LETTERS, LedgerEntry, is_maybe
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from tests.deep.model.receivers import EffectKey, Receiver
from tests.deep.model.scenario import Position
from tests.deep.model.virtual_loop import EPOCH_S
from tests.deep.model.world import Simulation

NOT_SENT = frozenset(b"xuewv")


class FinalCheck:
    """Judges one finished run."""

    def __init__(self, world: Simulation) -> None:
        self.world, self.wrong = world, world.monitor.violation
        self.table = world.server.buckets[subjects.LEDGER.name]

    def check(self) -> None:
        for complaint in self.world.loop.complaints:
            self.wrong("no task fails unseen", complaint.get("exception") or complaint["message"])
        for task in self.world.loop.roots:
            if task.done() and not task.cancelled() and (error := task.exception()):
                self.wrong("no task fails unseen", repr(error))
        if not self.world.server.idle():
            left = [queue.name for queue in self.world.server.queues.values() if queue.open]
            self.wrong("everything comes to an end", left)
        for batch, entry in self.world.monitor.entries.items():
            self.check_entry(batch, entry)
        for name in self.world.kinds:
            self.check_channel(name)

    # --- one batch

    def check_entry(self, batch: BatchKey, entry: LedgerEntry) -> None:
        if entry.is_open or not entry.closed_at or entry.owner:
            self.wrong("every batch is closed", f"{batch} {entry.rows!r}")
        ids = self.rows(batch).ids
        if len(ids) != len(entry.rows):
            self.wrong("a batch has its rows", batch)
        receiver = self.world.receivers[batch.channel]
        extra = 0
        for id, letter in zip(ids, entry.rows, strict=False):
            key = EffectKey(batch.content_id, batch.revision, id)
            landed = len(receiver.effects.get(key, ()))
            extra += max(landed - 1, 0)
            self.check_row(key, letter, landed, receiver)
        if extra > (declared := entry.possible_copies):
            self.wrong("every copy is declared", f"{batch}: {extra} copies, {declared} declared")

    def check_row(self, key: EffectKey, letter: int, landed: int, receiver: Receiver) -> None:
        where = f"{key}: {chr(letter)}, {landed} effects"
        if letter in b"dD" and not landed:
            self.wrong("what is delivered has arrived", where)
        if (receiver.kind.channel, key) in self.world.proven and letter not in b"dD":
            self.wrong("what a receipt proves is delivered", where)
        if letter in NOT_SENT and landed:
            self.wrong("what is not sent has not arrived", where)
        if landed > 1 and not is_maybe(letter):
            self.wrong("every copy is declared", where)
        if landed > 1 and receiver.kind.at_most_once(key):
            self.wrong("what must not be repeated is not", where)

    # --- one channel

    def check_channel(self, name: ChannelName) -> None:
        items: dict[str, list[tuple[PlanKey, Position]]] = {}
        for plan, position in self.world.plans(name):
            items.setdefault(plan.content_id, []).append((plan, position))
        for content_id, positions in items.items():
            self.check_newest(positions)
            for number, (plan, position) in enumerate(positions):
                self.check_plan(plan, position, positions[:number])
            self.check_order(content_id, self.world.receivers[name])

    def check_newest(self, positions: list[tuple[PlanKey, Position]]) -> None:
        """The newest text is valid: planned wherever it is due, and never halted."""
        plan, position = positions[-1]
        cursor = self.cursor(plan)
        named = plan.channel in position.publication.channels
        lower = [self.cursor(older) for older, _ in positions[:-1]]
        due = named or any(older and older.planned for older in lower)
        if cursor is None and due:
            self.wrong("the newest position is planned", plan)
        if cursor and (cursor.halt or not cursor.complete):
            self.wrong("the newest position is planned to its end", f"{plan} {cursor}")
        if cursor and not due:
            self.wrong("nothing is planned without need", plan)

    def check_plan(
        self, plan: PlanKey, position: Position, lower: list[tuple[PlanKey, Position]]
    ) -> None:
        cursor = self.cursor(plan)
        planned = [self.rows(batch) for batch in self.batches(plan, cursor)]
        ids = [id for rows in planned for id in rows.ids]
        if ids != sorted(set(ids)):
            self.wrong("nobody is in two batches", plan)
        if cursor and len(ids) != cursor.planned:
            self.wrong("a plan counts its recipients", f"{plan} {len(ids)} {cursor.planned}")
        if cursor and cursor.planned and self.overtaken(plan):
            self.wrong("what was overtaken before its time is never planned", plan)
        kind = self.world.kinds[plan.channel]
        if cursor and cursor.complete and kind.has_recipients:
            marked = {id for rows in planned for id in rows.corrections}
            self.check_corrections(plan, set(ids), marked, [older for older, _ in lower])
            self.check_audience(plan, position, cursor, set(ids) - marked, set(ids))

    def overtaken(self, plan: PlanKey) -> bool:
        """Whether a newer position was decided on long before the time of this one."""
        item = self.world.item(plan.content_id)
        return bool(items.superseding_position(item, plan.revision, items.RELEASE_SLACK))

    def check_corrections(
        self, plan: PlanKey, ids: set[str], marked: set[str], lower: list[PlanKey]
    ) -> None:
        """Exactly those who got, or may have got, an older text."""
        receiver = self.world.receivers[plan.channel]
        got = {
            key.recipient
            for key in receiver.effects
            if PlanKey(plan.channel, key.content_id, key.revision) in lower
        }
        maybe_got = {id for older in lower for id in self.reached(older)}
        for id in sorted(got - marked):
            self.wrong("who got an older text is told", f"{plan} {id}")
        for id in sorted(marked - maybe_got - got):
            self.wrong("a correction goes only to those who may have an older text", f"{plan} {id}")
        if marked - ids:
            self.wrong("corrections are recipients", plan)

    def check_audience(
        self, plan: PlanKey, position: Position, cursor: PlanCursor, others: set[str], all: set[str]
    ) -> None:
        """Exactly the readers who were there when it was released."""
        publication = position.publication
        following = plan.channel in publication.channels and publication.action != "withdrawn"
        until_s = cursor.finished - EPOCH_S + 3.0
        readers = self.world.readers
        steady = readers.remained(position.stored_s, max(until_s, position.stored_s))
        ever = {change.id for change in readers.changes if change.subscribed}
        for id in sorted(steady - all) if following else ():
            self.wrong("nobody is left out", f"{plan} {id}")
        for id in sorted(others - ever if following else others):
            self.wrong("nobody gets what is not meant for him", f"{plan} {id}")

    def check_order(self, content_id: str, receiver: Receiver) -> None:
        """No older text arrives after a newer one; one broadcast for all texts."""
        newest: dict[str, tuple[float, int]] = {}
        times = [
            (at_s, key.revision, key.recipient)
            for key, effects in receiver.effects.items()
            if key.content_id == content_id
            for at_s in effects
        ]
        broadcasts = {revision for _, revision, id in times if id == BROADCAST}
        if len(broadcasts) > 1:
            self.wrong("an item is broadcast once", f"{content_id} {sorted(broadcasts)}")
        for at_s, revision, id in sorted(times):
            last = newest.setdefault(id, (at_s, revision))
            if revision < last[1]:
                where = f"{content_id}.{revision} to {id} at {at_s:.2f}, after {last}"
                self.wrong("no older text after a newer", where)
            elif revision > last[1]:
                newest[id] = (at_s, revision)

    # --- reading the ledger

    def cursor(self, plan: PlanKey) -> PlanCursor | None:
        value = self.table.get(f"plan.{plan}")
        return codec.decode_cursor(value.data) if value else None

    def rows(self, batch: BatchKey) -> BatchRows:
        value = self.table.get(f"rows.{batch}")
        return codec.decode_rows(value.data) if value else BatchRows(())

    def batches(self, plan: PlanKey, cursor: PlanCursor | None) -> Iterator[BatchKey]:
        """The batches that a plan counts; one beyond them, or one missing, is wrong."""
        count = cursor.count if cursor else 0
        for number in range(count):
            yield BatchKey(*plan, number)
        stored = [batch for batch in self.world.monitor.entries if batch.plan == plan]
        if len(stored) != count:
            self.wrong("a plan counts its batches", f"{plan} {len(stored)} {count}")

    def reached(self, plan: PlanKey) -> Iterator[str]:
        for batch in self.batches(plan, self.cursor(plan)):
            letters = self.world.monitor.entries[batch].rows
            for id, letter in zip(self.rows(batch).ids, letters, strict=False):
                if letter in REACHED_LETTERS:
                    yield id
