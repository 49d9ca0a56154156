"""How each crash point is reached: who has to do what, and in which process the death waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.crash.pages_ways import asking, pages_anew, parting, removing
from tests.crash.people import BIG, CLERK, DESK_UNIT
from tests.crash.returns_ways import came_back
from tests.crash.workload import Nudge, Workload
from tests.crash.zalo_ways import acknowledged, lose_answer, reconsent, renewed, visited


@dataclass(frozen=True)
class Way:
    """`nudge` is repeated until somebody dies.

    `before` prepares while Loa is down. With `command` the death waits in that command, beside an
    unarmed Loa (`alone`: beside none). `first` is a point to die at before.
    """

    nudge: Nudge
    hits: int = 1
    before: Nudge | None = None
    command: Callable[[Workload], list[object]] | None = None
    alone: bool = False
    first: str = ""
    after: Nudge | None = None


def said(*names: str, **data: Any) -> Nudge:
    """A new item on these channels."""

    def nudge(work: Workload) -> None:
        work.item(*names, **data)

    return nudge


def told(work: Workload) -> None:
    """Somebody's dossier moves on; half of them are told on Zalo."""
    work.rng.choice([work.case, work.called])()


def called(work: Workload) -> None:
    work.called()


def anything(work: Workload) -> None:
    """A little of everything, as a day brings it."""
    names = work.rng.choice([("email",), ("portal",), ("email", "portal"), ("zalo", "portal")])
    match work.rng.randrange(9):
        case 0:
            work.item("email", topic=BIG, lane="bulk")
        case 1:
            work.brief()
        case 2:
            changed(*names)(work)
        case 3:
            withdrawn(*names)(work)
        case 4:
            work.clash(work.item("portal"))
        case 5:
            told(work)
        case _:
            work.item(*names)


def mailed(work: Workload) -> None:
    """Mostly thirty readers, now and then more than one batch."""
    if work.rng.random() < 0.15:
        work.item("email", topic=BIG, lane="bulk")
    else:
        work.item("email")


def changed(*names: str) -> Nudge:
    """An item and, right behind it, its correction."""

    def nudge(work: Workload) -> None:
        first = work.item(*names)
        work.repeat()
        work.correction(first)

    return nudge


def withdrawn(*names: str) -> Nudge:
    def nudge(work: Workload) -> None:
        first = work.item(*names)
        work.repeat()
        work.withdrawal(first)

    return nudge


def changed_or_withdrawn(*names: str) -> Nudge:
    def nudge(work: Workload) -> None:
        work.rng.choice([changed, withdrawn])(*names)(work)

    return nudge


def to_desk(work: Workload) -> None:
    """Two revisions for the desk, of which the second overtakes the first."""
    first = work.item("portal", unit=DESK_UNIT)
    work.repeat()
    work.correction(first)


def clashing(work: Workload) -> None:
    work.clash(work.item("portal"))


def strangers(work: Workload) -> None:
    path = work.ground.strangers()
    work.stage.on_bus(lambda bus: work.ground.take_in(bus, path))


def nothing(_: Workload) -> None:
    """It happens by itself."""


def publishing(work: Workload) -> list[object]:
    """`loa publish`, which is repeated until it says yes."""
    one = work.item("portal")
    path = work.stage.folder / f"{one.event['id']}.json"
    path.write_bytes(work.written(one))
    work.leave_to_command(one)
    return ["publish", path]


def approving(work: Workload) -> list[object]:
    draft = work.item("portal", unit=DESK_UNIT)
    work.wait_accepted(draft)
    work.at_desk(draft)
    return ["desk", "approve", draft.content_id, "--by", CLERK, "--revision", 1]


def importing(work: Workload) -> list[object]:
    return ["subscribers", "import", work.ground.strangers()]


def replaying(work: Workload) -> list[object]:
    work.wait_accepted(work.clash(work.item("portal")))
    return ["dead", "replay", work.letter(), "--by", CLERK]


def registering(work: Workload) -> list[object]:
    return ["units", "add", work.next_unit(), "--release", "automatic"]


WAYS: dict[str, Way] = {
    "spool.written": Way(nothing, command=publishing, alone=True),
    "spool.kept": Way(nothing, command=publishing, alone=True),
    "spool.sent": Way(nothing, before=Workload.spooled),
    "publisher.stored": Way(nothing, before=Workload.spooled),
    "gateway.read": Way(anything),
    "gateway.checked": Way(anything),
    "gateway.claimed": Way(anything),
    "gateway.event_booked": Way(anything),
    "gateway.stored": Way(anything, hits=2),
    "gateway.case_numbered": Way(told),
    "gateway.contact_kept": Way(told),
    "notice.fetched": Way(told),
    "notice.entry_stored": Way(told),
    "notice.woken": Way(told),
    "intake.fetched": Way(anything, hits=2),
    "intake.event_booked": Way(anything, hits=2),
    "intake.position_taken": Way(anything, hits=2),
    "intake.position_opened": Way(anything, hits=2),
    "intake.done": Way(anything, hits=2),
    "intake.barred": Way(withdrawn("portal", "email")),
    "intake.drafted": Way(to_desk),
    "intake.refused": Way(clashing),
    "release.decided": Way(anything, hits=2),
    "release.stored": Way(anything, hits=2),
    "desk.decided": Way(nothing, command=approving),
    "desk.item_released": Way(nothing, command=approving),
    "desk.carried_out": Way(nothing, command=approving),
    "desk.settled": Way(nothing, command=approving),
    "desk.overtaken": Way(to_desk),
    "dispatch.fetched": Way(anything, hits=4),
    "dispatch.older_halted": Way(changed("email", "portal"), hits=3),
    "dispatch.cursor_created": Way(anything, hits=3),
    "dispatch.batches_stored": Way(anything, hits=3),
    "dispatch.chunk_woken": Way(said("email", topic=BIG, lane="bulk"), hits=2),
    "dispatch.planned": Way(anything, hits=3),
    "digest.gathered": Way(nothing, hits=2),
    "digest.cut": Way(said("email")),
    "digest.planned": Way(said("email")),
    "fence.cursor_halted": Way(changed_or_withdrawn("email", "portal"), hits=2),
    "fence.entry_halted": Way(changed_or_withdrawn("email")),
    "wake.sent": Way(said("email", topic=BIG, lane="bulk"), hits=3),
    "deliver.fetched": Way(anything, hits=3),
    "deliver.slot_noted": Way(anything, hits=3),
    "deliver.claimed": Way(mailed),
    "deliver.intended": Way(anything, hits=4),
    "deliver.answered": Way(anything, hits=4),
    "deliver.released": Way(anything, hits=3),
    "deliver.closed": Way(anything, hits=2),
    "deliver.put_off": Way(said("email")),
    "deliver.scheduled": Way(said("email")),
    "deliver.doubt_answered": Way(mailed),
    "deliver.recovered": Way(nothing, first="deliver.answered"),
    "email.data_asked": Way(mailed, hits=30),
    "email.end_written": Way(mailed, hits=30),
    "email.answer_unread": Way(mailed, hits=30),
    "email.mail_settled": Way(mailed, hits=30),
    "portal.tmp_written": Way(said("portal"), hits=8),
    "portal.staged": Way(said("portal")),
    "portal.committed": Way(changed_or_withdrawn("portal"), hits=2),
    "portal.file_in_place": Way(said("portal"), hits=8),
    "portal.all_in_place": Way(said("portal")),
    "portal.swapped": Way(said("portal")),
    "portal.learnt": Way(said("portal")),
    **{f"portal.index_{at}": Way(nothing, command=pages_anew) for at in ("named", "alone")},
    "portal.ticked_off": Way(changed_or_withdrawn("portal")),
    "zalo.create_noted": Way(said("zalo")),
    "zalo.created": Way(said("zalo")),
    "zalo.token_noted": Way(changed("zalo"), hits=2),
    "zalo.verified": Way(changed("zalo"), hits=2),
    "zalo.update_noted": Way(changed_or_withdrawn("zalo"), hits=2),
    "zalo.updated": Way(changed_or_withdrawn("zalo"), hits=2),
    "zalo.out": Way(changed_or_withdrawn("zalo"), hits=2),
    "zalo.looked_up": Way(said("zalo"), before=lose_answer("article.create")),
    "zalo.broadcast_due": Way(said("zalo")),
    "zalo.broadcast_answered": Way(said("zalo")),
    "zalo.notice_due": Way(called),
    "zalo.notice_answered": Way(called),
    "zalo.notice_kept": Way(called),
    "zalo.event_stored": Way(visited("follow"), hits=2),
    "zalo.reply_claimed": Way(visited("write", text="Xin chào"), hits=2),
    "zalo.reply_sent": Way(visited("write", text="Xin chào"), hits=2),
    "zalo.person_purged": Way(visited("withdraw"), hits=2),
    "zalo.refresh_noted": Way(renewed),
    "zalo.refresh_answered": Way(renewed, after=reconsent),
    "zalo.pair_stored": Way(renewed),
    "dead.buried": Way(clashing),
    "dead.decided": Way(nothing, command=replaying),
    "dead.replayed": Way(nothing, command=replaying),
    "settle.acked": Way(anything, hits=4),
    "feedback.booked": Way(acknowledged),
    "bounce.stored": Way(came_back, hits=2),
    "bounce.noted": Way(came_back),
    "directory.read": Way(strangers),
    "directory.applied": Way(strangers),
    "subscribers.laid_out": Way(nothing, command=importing),
    "subscribers.stored": Way(nothing, command=importing),
    "letter.stored": Way(asking),
    "readers.erased": Way(nothing, command=removing),
    **{f"farewell.{name}": Way(parting) for name in ("kept", "forgotten", "begun")},
    "units.added": Way(nothing, command=registering),
    "run.announced": Way(nothing),
}
"""`vault.key_written` is reached once per folder: when there is no key yet."""

BIRTH = "vault.key_written"
