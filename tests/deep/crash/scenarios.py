"""How each crash point is reached: who has to do what, and in which process the death waits."""

import fcntl
import json
import smtplib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from consumers.audit.log import Act, AuditLog
from consumers.intake.draft_decisions import DraftDecisions
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.tokens import LinkOwner, LinkTokens, TokenPurpose
from consumers.uploads.kept import NAME
from contracts.desk.editorial import Order
from contracts.desk.uploads import UploadAddress
from contracts.editorial import ActionKind
from producers.bus import Bus
from producers.object_store import ObjectStore
from producers.pages.rendering import page_texts
from tests.deep.crash.environment import BOUNCE_DOMAIN, PUBLIC_URL, wait
from tests.deep.crash.launch import DESK_WRITES, TWO_PEOPLE, UPLOAD
from tests.deep.crash.receiver import read_record
from tests.deep.crash.setup import BIG, CLERK, DESK_UNIT, OLD
from tests.deep.crash.workload import Workload
from tests.support.bounce_mails import bounce_mail
from tests.support.decisions import decide

Nudge = Callable[[Workload], object]
CONSENT = page_texts()["consent"]["version"]
PATIENCE = 12
LATEST = 12
UNACKNOWLEDGED_S = 35.0
"""After this time an event that was in work at a death is delivered again."""
UPLOAD_POINTS = ("pieces_stored", "stored", "unnamed")
TRIAL_POINTS = [
    f"trial.{at}" for at in ("stored", "position_taken", "decided", "mail_begun", "settled")
]
CALLBACK_POINTS = [f"callbacks.{at}" for at in ("leased", "sent", "settled", "logged")]
LEDGER_REMOVALS = ("counted", "rows_removed", "cut_signed")
TOO_BIG = "5.3.4"
"""A mail that comes back for this reason suppresses no address."""


@dataclass(frozen=True)
class Scenario:
    """`trigger` is repeated until the process dies.

    `before` prepares while Loa is down. With `command` the death waits in that command, beside an
    unarmed Loa (`alone`: beside none). `first` is a point to die at before.
    """

    trigger: Nudge = lambda work: None  # it happens by itself
    hits: int = 1
    before: Nudge | None = None
    command: Callable[[Workload], list[object]] | None = None
    alone: bool = False
    first: str = ""
    after: Nudge | None = None


# --- items


def publish_item(*names: str, **data: Any) -> Nudge:
    """A new item on these channels."""
    return lambda work: work.item(*names, **data)


def publish_on_bus(work: Workload) -> None:
    """An event through the unit's own stream."""
    work.send_on_bus(work.item("portal"))


def publish_case(work: Workload) -> None:
    """A step of a dossier; half of them are told on Zalo."""
    work.rng.choice([work.case, work.zalo_case])()


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
            send_clashing(work)
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


def publish_and_correct(*names: str, **data: Any) -> Nudge:
    """An item and, right behind it, its correction."""
    return lambda work: work.correction(publish_first(work, *names, **data))


def publish_and_withdraw(*names: str) -> Nudge:
    return lambda work: work.withdrawal(publish_first(work, *names))


def publish_first(work: Workload, *names: str, **data: Any) -> Any:
    first = work.item(*names, **data)
    work.repeat()
    return first


def publish_and_change(*names: str) -> Nudge:
    return lambda work: work.rng.choice([publish_and_correct, publish_and_withdraw])(*names)(work)


to_desk = publish_and_correct("portal", unit=DESK_UNIT)
"""Two revisions for the desk, of which the second overtakes the first."""


def send_written(work: Workload) -> None:
    """A text that a person writes at the desk and sends to the unit's leader."""
    work.number += 1
    data = {"title": f"Bản thảo {work.number}", "body": "Nội dung.", "topic": "chuyen-doi-so"}
    path = work.environment.folder / f"draft-{work.number}.json"
    path.write_text(json.dumps(data, ensure_ascii=False))
    by = ("--by", CLERK, "--json")
    done = work.environment.ask_json("desk", "write", path, "--unit", DESK_UNIT, *by)
    if "content_id" in done:  # else Loa died before
        sent = ("desk", "submit", done["content_id"], "--hash", done["hash"])
        work.environment.run(*sent, *by)


def approve_at_desk(work: Workload) -> None:
    """A text that a person approves at the desk; Loa alone carries that out."""
    draft = work.item("portal", unit=DESK_UNIT)
    approve = partial(approve_draft, draft.content_id)

    def ended() -> bool:
        work.repeat()
        return work.environment.dead or bool(work.environment.on_bus(approve))

    wait(ended, "an approval", UNACKNOWLEDGED_S)


async def approve_draft(content_id: str, bus: Bus) -> bool:
    """Add an approval to the log; False while the text has no position."""
    decisions = DraftDecisions(bus, time.time)
    waiting = [one for one in await decisions.waiting_drafts() if one.content_id == content_id]
    for draft in waiting:
        order = Order(content_id, ActionKind.APPROVE, token_hex(), draft.hash, is_clean=True)
        await decide(decisions, order, CLERK)
    return bool(waiting)


def send_clashing(work: Workload) -> Any:
    return work.clash(work.item("portal"))


# --- commands


def run_publish(work: Workload) -> list[object]:
    """`loa publish`, which is repeated until it says yes."""
    sent = work.item("portal")
    path = work.environment.folder / f"{sent.event['id']}.json"
    path.write_text(json.dumps(sent.event, ensure_ascii=False))
    work.by_command.append(sent)
    return ["publish", path]


def run_approve(work: Workload) -> list[object]:
    draft = work.item("portal", unit=DESK_UNIT)
    work.wait_accepted(draft)
    read = work.wait_at_desk(draft)
    return [
        "desk",
        "approve",
        draft.content_id,
        "--by",
        CLERK,
        "--revision",
        1,
        "--hash",
        read,
        "--clean",
    ]


def run_import(work: Workload) -> list[object]:
    return ["subscribers", "import", work.ground.unknown_addresses()]


def run_replay(work: Workload) -> list[object]:
    work.wait_accepted(send_clashing(work))
    return ["dead", "replay", work.letter(), "--by", CLERK]


def run_register(work: Workload) -> list[object]:
    return ["units", "add", work.next_unit(), "--release", "automatic"]


def run_seal(work: Workload) -> list[object]:
    """`loa report span` over days of which nothing is known."""
    span = ("2026-01-01", "2026-01-07", "--name", work.next_report())
    return ["report", "span", *span, "--with-gaps", "--by", CLERK]


def run_remove(work: Workload) -> list[object]:
    """`loa subscribers remove`, which is repeated until nothing is left."""
    reason = ("--reason", "asked for in writing")
    return ["subscribers", "remove", new_reader(work), *reason, "--yes"]


def run_rebuild(work: Workload) -> list[object]:
    """`loa rebuild portal`, while Loa goes on showing items."""
    work.item("portal")
    return ["rebuild", "portal"]


def run_retention(work: Workload) -> list[object]:
    """`loa retention run`, over an item's mails and letters of which the time is over."""
    item = work.item("email", topic=OLD)
    work.wait_accepted(item)
    request_signup(work)
    work.grow_old(item.content_id)
    return ["retention", "run", "--yes", "--by", CLERK]


def run_two_people(work: Workload) -> list[object]:
    """An act for two, which both give again until it is done."""
    return [TWO_PEOPLE, work.next_unit()]


def run_upload(work: Workload) -> list[object]:
    """A file that is kept in place of the one before, again and again until it is done."""
    work.number += 1
    return [UPLOAD, work.number]


def run_desk_writes(work: Workload) -> list[object]:
    """Writes of the desk's pages beside acts: a text that is kept, a session that is renewed."""
    work.number += 1
    return [DESK_WRITES, work.number]


def publish_with_file(work: Workload) -> Any:
    """An item with an attachment that was uploaded before; None if Loa died before it had that."""
    content = f"%PDF {work.number}".encode()
    address = UploadAddress(sha256(content).hexdigest(), "a.pdf")
    facts = {NAME: address.name}

    async def keep(bus: Bus) -> bool:
        await ObjectStore(bus).put(address.hash, [content], facts)
        return True

    if not work.environment.on_bus(keep):
        return None
    attachment = {"url": PUBLIC_URL + address.path, "title": "Văn bản"}
    return publish_first(work, "portal", attachments=[attachment])


def withdraw_with_file(work: Workload) -> None:
    """Withdraw the item with a file of the time before, which the portal shows by now."""
    earlier, work.filed = work.filed, publish_with_file(work)
    if earlier:
        work.withdrawal(earlier)


# --- what is kept too long


def act(work: Workload) -> None:
    """An act in the audit log; retention never removes its last record."""

    async def record(bus: Bus) -> int:
        return await AuditLog(bus, time.time).record(Act("test"))

    work.environment.on_bus(record)


def expire_day(work: Workload) -> None:
    """The keys of days of which all contacts have expired long ago."""

    async def store(bus: Bus) -> None:
        for day in ("2020-01-01", "2020-01-02"):
            await bus.stored_bucket("person_keys").put(f"notices.{day}", b"key")

    work.environment.on_bus(store)


def as_earlier_version(work: Workload) -> None:
    """Put the streams where an earlier version had them, once the killed server is gone."""
    store = work.environment.data / "nats"
    with (store / "loa.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        streams = store / "jetstream"
        if (streams / "LOA").is_dir():  # else the move was killed just now
            (streams / "LOA").rename(streams / "$G")


# --- readers, and their pages


def import_strangers(work: Workload) -> Path:
    path = work.ground.unknown_addresses()
    work.environment.on_bus(lambda bus: work.ground.import_csv(bus, path))
    return path


def new_reader(work: Workload) -> str:
    return import_strangers(work).read_text().splitlines()[1].partition(",")[0]


def request_signup(work: Workload) -> None:
    """A visitor asks to subscribe, and gets a letter."""
    work.number += 1
    address = f"dang-ky-{work.number}@example.com"
    work.environment.form("/dang-ky", email=address, consent=CONSENT)


def leave_by_page(work: Workload) -> None:
    """A reader ends it, or deletes everything, on their own page."""
    address = new_reader(work)
    session = work.environment.on_bus(lambda bus: session_for(work, bus, address))
    if session:
        seal = sha256(b"loa form\x00" + session.encode()).hexdigest()
        action = work.rng.choice(["ngung", "xoa"])
        cookie = {"Cookie": f"__Host-loa-dang-ky={session}"}
        work.environment.form(f"/dang-ky/tuy-chon/{action}", cookie, seal=seal)


async def session_for(work: Workload, bus: Bus, address: str) -> str:
    """The session that a letter would open."""
    key_file = work.ground.key_file
    people = SubscriberStore.from_key_file(bus, key_file)
    person = await people.find_by_address(address)
    assert person
    owner = LinkOwner(id=person.id, address=people.key_of_address(address))
    return LinkTokens(key_file.derive, time.time).issue(TokenPurpose.SESSION, owner).token


def bounce_some(work: Workload) -> None:
    """Some of the latest mails come back: too big, which suppresses no address."""
    work.item("email")
    running = work.environment.announced()
    if running is None:
        return
    host, _, port = running.bounces.rpartition(":")
    mails = [mail for mail in read_record(work.environment.record) if mail.is_accepted]
    senders = [mail.sender for mail in mails if mail.sender.endswith(f"@{BOUNCE_DOMAIN}")]
    with (
        suppress(OSError, smtplib.SMTPException),
        smtplib.SMTP(host, int(port), timeout=60) as relay,
    ):
        for sender in senders[-LATEST:]:
            place, _, mac = sender.partition("@")[0].removeprefix("b+").partition("=")
            relay.sendmail("", [sender], bounce_mail(TOO_BIG, envelope_id=f"{place}.{mac}"))


# --- Zalo


def lose_answer(route: str) -> Nudge:
    """Zalo does what it is asked, and its answer never arrives."""

    def before(work: Workload) -> None:
        work.answers_lost += 1
        work.environment.zalo("faults", {"route": route, "kind": "drop_after"})

    return before


def broadcast_receipt(work: Workload) -> None:
    """A broadcast whose answer is lost, then the receipt that tells how it ended.

    Another item's broadcast may have lost its answer instead: after a while, once more.
    """
    if work.broadcast is None or work.asked > PATIENCE:
        lose_answer("oa.message")(work)
        work.broadcast, work.asked = work.item("zalo"), 0
    elif work.broadcast.accepted:
        work.receipt(work.broadcast)
        work.asked += 1


def refresh_pair(work: Workload) -> None:
    """A pair that has to be renewed before its next use."""
    if work.short is None:
        work.ground.connect(0)
        work.short = work.item("zalo")


def reconsent(work: Workload) -> None:
    """The new pair died with the process; an administrator has to consent again."""
    work.ground.consent = True


def visit_account(deed: str, **facts: Any) -> Nudge:
    """A new person does something at Zalo, whose webhook tells of it."""
    return lambda work: work.visitor(deed, **facts)


WAYS: dict[str, Scenario] = {
    "spool.written": Scenario(command=run_publish, alone=True),
    "spool.kept": Scenario(command=run_publish, alone=True),
    "spool.sent": Scenario(before=Workload.spooled),
    "publisher.stored": Scenario(before=Workload.spooled),
    "gateway.read": Scenario(publish_mixture),
    "gateway.checked": Scenario(publish_mixture),
    "gateway.claimed": Scenario(publish_mixture),
    "gateway.event_booked": Scenario(publish_mixture),
    "gateway.stored": Scenario(publish_mixture, hits=2),
    "gateway.case_numbered": Scenario(publish_case),
    "gateway.contact_kept": Scenario(publish_case),
    "notices.key_made": Scenario(publish_case),
    "notices.key_destroyed": Scenario(expire_day, hits=2),
    "notice.fetched": Scenario(publish_case),
    "notice.entry_stored": Scenario(publish_case),
    "notice.woken": Scenario(publish_case),
    "intake.moved": Scenario(publish_on_bus),
    "intake.fetched": Scenario(publish_mixture, hits=2),
    "intake.event_booked": Scenario(publish_mixture, hits=2),
    "intake.received": Scenario(publish_mixture, hits=2),
    "intake.position_taken": Scenario(publish_mixture, hits=2),
    "intake.position_opened": Scenario(publish_mixture, hits=2),
    "intake.done": Scenario(publish_mixture, hits=2),
    "intake.barred": Scenario(publish_and_withdraw("portal", "email")),
    "intake.withdrawal_published": Scenario(publish_and_withdraw("portal", "email")),
    "intake.drafted": Scenario(to_desk),
    "intake.refused": Scenario(send_clashing),
    "release.decided": Scenario(publish_mixture, hits=2),
    "release.stored": Scenario(publish_mixture, hits=2),
    "proposals.used_up": Scenario(command=run_two_people),
    **{f"uploads.{at}": Scenario(command=run_upload) for at in UPLOAD_POINTS},
    "editorial.decided": Scenario(to_desk),
    "editorial.stored": Scenario(command=run_approve),
    "desk.text_kept": Scenario(command=run_desk_writes),
    "session.renewed": Scenario(command=run_desk_writes),
    "desk.position_taken": Scenario(send_written),
    "desk.position_opened": Scenario(send_written),
    "desk.release_begun": Scenario(approve_at_desk),
    "desk.decided": Scenario(approve_at_desk),
    "desk.item_released": Scenario(approve_at_desk),
    "desk.carried_out": Scenario(approve_at_desk),
    "desk.settled": Scenario(approve_at_desk),
    "desk.overtaken": Scenario(to_desk),
    "dispatch.fetched": Scenario(publish_mixture, hits=4),
    "dispatch.older_halted": Scenario(publish_and_correct("email", "portal"), hits=3),
    "dispatch.cursor_created": Scenario(publish_mixture, hits=3),
    "dispatch.batches_stored": Scenario(publish_mixture, hits=3),
    "dispatch.chunk_woken": Scenario(publish_item("email", topic=BIG, lane="bulk"), hits=2),
    "dispatch.planned": Scenario(publish_mixture, hits=3),
    "digest.gathered": Scenario(hits=2),
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
    "deliver.recovered": Scenario(first="deliver.answered"),
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
    **{f"portal.index_{at}": Scenario(command=run_rebuild) for at in ("named", "alone")},
    "portal.upload_placed": Scenario(publish_with_file),
    "portal.uploads_removed": Scenario(withdraw_with_file),
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
    "zalo.notice_due": Scenario(Workload.zalo_case),
    "zalo.notice_answered": Scenario(Workload.zalo_case),
    "zalo.notice_kept": Scenario(Workload.zalo_case),
    "zalo.event_stored": Scenario(visit_account("follow"), hits=2),
    "zalo.reply_claimed": Scenario(visit_account("write", text="Xin chào"), hits=2),
    "zalo.reply_sent": Scenario(visit_account("write", text="Xin chào"), hits=2),
    "zalo.person_purged": Scenario(visit_account("withdraw"), hits=2),
    "zalo.refresh_noted": Scenario(refresh_pair),
    "zalo.refresh_answered": Scenario(refresh_pair, after=reconsent),
    "zalo.pair_stored": Scenario(refresh_pair),
    "dead.buried": Scenario(send_clashing),
    "dead.decided": Scenario(command=run_replay),
    "dead.replayed": Scenario(command=run_replay),
    "settle.acked": Scenario(publish_mixture, hits=4),
    "feedback.booked": Scenario(broadcast_receipt),
    "bounce.stored": Scenario(bounce_some, hits=2),
    "bounce.noted": Scenario(bounce_some),
    "directory.read": Scenario(import_strangers),
    "directory.applied": Scenario(import_strangers),
    "subscribers.laid_out": Scenario(command=run_import),
    "subscribers.stored": Scenario(command=run_import),
    "letter.stored": Scenario(request_signup),
    **{point: Scenario(Workload.trial) for point in TRIAL_POINTS},
    "staff_mail.noted": Scenario(to_desk),
    "staff_mail.begun": Scenario(to_desk),
    **{
        f"facts.{name}": Scenario(publish_item("portal"))
        for name in ("decided", "stored", "position_kept")
    },
    **{
        f"status.{name}": Scenario(publish_item("portal"))
        for name in ("decided", "stored", "position_kept")
    },
    **{point: Scenario(publish_item("portal")) for point in CALLBACK_POINTS},
    **{
        f"report.{at}": Scenario(command=run_seal) for at in ("data_written", "file_made", "sealed")
    },
    "readers.erased": Scenario(command=run_remove),
    **{f"farewell.{name}": Scenario(leave_by_page) for name in ("kept", "forgotten", "begun")},
    "audit.cut_signed": Scenario(act),
    "audit.cut": Scenario(act),
    "retention.noted": Scenario(hits=2),
    "retention.removed": Scenario(act),
    **{f"ledger.{at}": Scenario(command=run_retention) for at in LEDGER_REMOVALS},
    "audit.intended": Scenario(command=run_register),
    "audit.acted": Scenario(command=run_register),
    "units.added": Scenario(command=run_register),
    **{f"store.{at}": Scenario(before=as_earlier_version) for at in ("cleared", "moved")},
    "run.announced": Scenario(),
}
"""`vault.key_written` is reached once per folder: when there is no key yet."""

BIRTH = "vault.key_written"
