"""How each crash point is reached: who has to do what, and in which process the death waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.deep.crash.bounce_scenarios import bounce_some
from tests.deep.crash.page_scenarios import (
    leave_by_page,
    rebuild_portal,
    remove_subscriber,
    request_signup,
)
from tests.deep.crash.participants import BIG, CLERK, DESK_UNIT
from tests.deep.crash.workload import Nudge, Workload
from tests.deep.crash.zalo_scenarios import (
    broadcast_receipt,
    lose_answer,
    reconsent,
    refresh_pair,
    visit_account,
)


@dataclass(frozen=True)
class Scenario:
    """`nudge` is repeated until somebody dies.

    `before` prepares while Loa is down. With `command` the death waits in that command, beside an
    unarmed Loa (`alone`: beside none). `first` is a point to die at before.
    """

    trigger: Nudge
    hits: int = 1
    before: Nudge | None = None
    command: Callable[[Workload], list[object]] | None = None
    alone: bool = False
    first: str = ""
    after: Nudge | None = None


def publish_item(*names: str, **data: Any) -> Nudge:
    """A new item on these channels."""

    def nudge(work: Workload) -> None:
        work.item(*names, **data)

    return nudge


def publish_case(work: Workload) -> None:
    """Somebody's dossier moves on; half of them are told on Zalo."""
    work.rng.choice([work.case, work.zalo_case])()


def publish_zalo_case(work: Workload) -> None:
    work.zalo_case()


def publish_mixture(work: Workload) -> None:
    """A little of everything, as a day brings it."""
    names = work.rng.choice([("email",), ("portal",), ("email", "portal"), ("zalo", "portal")])
    match work.rng.randrange(9):
        case 0:
            work.item("email", topic=BIG, lane="bulk")
        case 1:
            work.brief()
        case 2:
            publish_and_correct(*names)(work)
        case 3:
            publish_and_withdraw(*names)(work)
        case 4:
            work.clash(work.item("portal"))
        case 5:
            publish_case(work)
        case _:
            work.item(*names)


def publish_mail(work: Workload) -> None:
    """Mostly thirty readers, now and then more than one batch."""
    if work.rng.random() < 0.15:
        work.item("email", topic=BIG, lane="bulk")
    else:
        work.item("email")


def publish_and_correct(*names: str) -> Nudge:
    """An item and, right behind it, its correction."""

    def nudge(work: Workload) -> None:
        first = work.item(*names)
        work.repeat()
        work.correction(first)

    return nudge


def publish_and_withdraw(*names: str) -> Nudge:
    def nudge(work: Workload) -> None:
        first = work.item(*names)
        work.repeat()
        work.withdrawal(first)

    return nudge


def publish_and_change(*names: str) -> Nudge:
    def nudge(work: Workload) -> None:
        work.rng.choice([publish_and_correct, publish_and_withdraw])(*names)(work)

    return nudge


def to_desk(work: Workload) -> None:
    """Two revisions for the desk, of which the second overtakes the first."""
    first = work.item("portal", unit=DESK_UNIT)
    work.repeat()
    work.correction(first)


def send_clashing(work: Workload) -> None:
    work.clash(work.item("portal"))


def import_strangers(work: Workload) -> None:
    path = work.ground.unknown_addresses()
    work.stage.on_bus(lambda bus: work.ground.import_csv(bus, path))


def no_trigger(_: Workload) -> None:
    """It happens by itself."""


def run_publish(work: Workload) -> list[object]:
    """`loa publish`, which is repeated until it says yes."""
    one = work.item("portal")
    path = work.stage.folder / f"{one.event['id']}.json"
    path.write_bytes(work.written(one))
    work.leave_to_command(one)
    return ["publish", path]


def run_approve(work: Workload) -> list[object]:
    draft = work.item("portal", unit=DESK_UNIT)
    work.wait_accepted(draft)
    work.at_desk(draft)
    return ["desk", "approve", draft.content_id, "--by", CLERK, "--revision", 1]


def run_import(work: Workload) -> list[object]:
    return ["subscribers", "import", work.ground.unknown_addresses()]


def run_replay(work: Workload) -> list[object]:
    work.wait_accepted(work.clash(work.item("portal")))
    return ["dead", "replay", work.letter(), "--by", CLERK]


def run_register(work: Workload) -> list[object]:
    return ["units", "add", work.next_unit(), "--release", "automatic"]


WAYS: dict[str, Scenario] = {
    "spool.written": Scenario(no_trigger, command=run_publish, alone=True),
    "spool.kept": Scenario(no_trigger, command=run_publish, alone=True),
    "spool.sent": Scenario(no_trigger, before=Workload.spooled),
    "publisher.stored": Scenario(no_trigger, before=Workload.spooled),
    "gateway.read": Scenario(publish_mixture),
    "gateway.checked": Scenario(publish_mixture),
    "gateway.claimed": Scenario(publish_mixture),
    "gateway.event_booked": Scenario(publish_mixture),
    "gateway.stored": Scenario(publish_mixture, hits=2),
    "gateway.case_numbered": Scenario(publish_case),
    "gateway.contact_kept": Scenario(publish_case),
    "notice.fetched": Scenario(publish_case),
    "notice.entry_stored": Scenario(publish_case),
    "notice.woken": Scenario(publish_case),
    "intake.fetched": Scenario(publish_mixture, hits=2),
    "intake.event_booked": Scenario(publish_mixture, hits=2),
    "intake.position_taken": Scenario(publish_mixture, hits=2),
    "intake.position_opened": Scenario(publish_mixture, hits=2),
    "intake.done": Scenario(publish_mixture, hits=2),
    "intake.barred": Scenario(publish_and_withdraw("portal", "email")),
    "intake.drafted": Scenario(to_desk),
    "intake.refused": Scenario(send_clashing),
    "release.decided": Scenario(publish_mixture, hits=2),
    "release.stored": Scenario(publish_mixture, hits=2),
    "desk.decided": Scenario(no_trigger, command=run_approve),
    "desk.item_released": Scenario(no_trigger, command=run_approve),
    "desk.carried_out": Scenario(no_trigger, command=run_approve),
    "desk.settled": Scenario(no_trigger, command=run_approve),
    "desk.overtaken": Scenario(to_desk),
    "dispatch.fetched": Scenario(publish_mixture, hits=4),
    "dispatch.older_halted": Scenario(publish_and_correct("email", "portal"), hits=3),
    "dispatch.cursor_created": Scenario(publish_mixture, hits=3),
    "dispatch.batches_stored": Scenario(publish_mixture, hits=3),
    "dispatch.chunk_woken": Scenario(publish_item("email", topic=BIG, lane="bulk"), hits=2),
    "dispatch.planned": Scenario(publish_mixture, hits=3),
    "digest.gathered": Scenario(no_trigger, hits=2),
    "digest.cut": Scenario(publish_item("email")),
    "digest.planned": Scenario(publish_item("email")),
    "fence.cursor_halted": Scenario(publish_and_change("email", "portal"), hits=2),
    "fence.entry_halted": Scenario(publish_and_change("email")),
    "wake.sent": Scenario(publish_item("email", topic=BIG, lane="bulk"), hits=3),
    "deliver.fetched": Scenario(publish_mixture, hits=3),
    "deliver.slot_noted": Scenario(publish_mixture, hits=3),
    "deliver.claimed": Scenario(publish_mail),
    "deliver.intended": Scenario(publish_mixture, hits=4),
    "deliver.answered": Scenario(publish_mixture, hits=4),
    "deliver.released": Scenario(publish_mixture, hits=3),
    "deliver.closed": Scenario(publish_mixture, hits=2),
    "deliver.put_off": Scenario(publish_item("email")),
    "deliver.scheduled": Scenario(publish_item("email")),
    "deliver.doubt_answered": Scenario(publish_mail),
    "deliver.recovered": Scenario(no_trigger, first="deliver.answered"),
    "email.data_asked": Scenario(publish_mail, hits=30),
    "email.end_written": Scenario(publish_mail, hits=30),
    "email.answer_unread": Scenario(publish_mail, hits=30),
    "email.mail_settled": Scenario(publish_mail, hits=30),
    "portal.tmp_written": Scenario(publish_item("portal"), hits=8),
    "portal.staged": Scenario(publish_item("portal")),
    "portal.committed": Scenario(publish_and_change("portal"), hits=2),
    "portal.file_in_place": Scenario(publish_item("portal"), hits=8),
    "portal.all_in_place": Scenario(publish_item("portal")),
    "portal.swapped": Scenario(publish_item("portal")),
    "portal.learnt": Scenario(publish_item("portal")),
    **{
        f"portal.index_{at}": Scenario(no_trigger, command=rebuild_portal)
        for at in ("named", "alone")
    },
    "portal.ticked_off": Scenario(publish_and_change("portal")),
    "zalo.create_noted": Scenario(publish_item("zalo")),
    "zalo.created": Scenario(publish_item("zalo")),
    "zalo.token_noted": Scenario(publish_and_correct("zalo"), hits=2),
    "zalo.verified": Scenario(publish_and_correct("zalo"), hits=2),
    "zalo.update_noted": Scenario(publish_and_change("zalo"), hits=2),
    "zalo.updated": Scenario(publish_and_change("zalo"), hits=2),
    "zalo.out": Scenario(publish_and_change("zalo"), hits=2),
    "zalo.looked_up": Scenario(publish_item("zalo"), before=lose_answer("article.create")),
    "zalo.broadcast_due": Scenario(publish_item("zalo")),
    "zalo.broadcast_answered": Scenario(publish_item("zalo")),
    "zalo.notice_due": Scenario(publish_zalo_case),
    "zalo.notice_answered": Scenario(publish_zalo_case),
    "zalo.notice_kept": Scenario(publish_zalo_case),
    "zalo.event_stored": Scenario(visit_account("follow"), hits=2),
    "zalo.reply_claimed": Scenario(visit_account("write", text="Xin chào"), hits=2),
    "zalo.reply_sent": Scenario(visit_account("write", text="Xin chào"), hits=2),
    "zalo.person_purged": Scenario(visit_account("withdraw"), hits=2),
    "zalo.refresh_noted": Scenario(refresh_pair),
    "zalo.refresh_answered": Scenario(refresh_pair, after=reconsent),
    "zalo.pair_stored": Scenario(refresh_pair),
    "dead.buried": Scenario(send_clashing),
    "dead.decided": Scenario(no_trigger, command=run_replay),
    "dead.replayed": Scenario(no_trigger, command=run_replay),
    "settle.acked": Scenario(publish_mixture, hits=4),
    "feedback.booked": Scenario(broadcast_receipt),
    "bounce.stored": Scenario(bounce_some, hits=2),
    "bounce.noted": Scenario(bounce_some),
    "directory.read": Scenario(import_strangers),
    "directory.applied": Scenario(import_strangers),
    "subscribers.laid_out": Scenario(no_trigger, command=run_import),
    "subscribers.stored": Scenario(no_trigger, command=run_import),
    "letter.stored": Scenario(request_signup),
    "readers.erased": Scenario(no_trigger, command=remove_subscriber),
    **{f"farewell.{name}": Scenario(leave_by_page) for name in ("kept", "forgotten", "begun")},
    "units.added": Scenario(no_trigger, command=run_register),
    "run.announced": Scenario(no_trigger),
}
"""`vault.key_written` is reached once per folder: when there is no key yet."""

BIRTH = "vault.key_written"
