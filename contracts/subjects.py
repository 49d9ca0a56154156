"""Every subject, stream, bucket and consumer of the bus, as data for `producers.bus.topology`."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta

from contracts.base.retention import DEFAULT as RETENTION
from contracts.delivery import BatchKey, ChannelName, Lane

_GIB = 1 << 30


@dataclass(frozen=True)
class ConsumerSpec:
    """A durable pull consumer; `ack_wait` is renewed while a handler runs."""

    durable: str
    subject: str
    ack_wait: timedelta = timedelta(seconds=30)
    max_ack_pending: int = 2000


@dataclass(frozen=True)
class StreamSpec:
    """A stream that refuses messages when it is full and never drops them.

    `is_protected`: the server refuses to delete or purge messages, also for operators. `max_age`:
    how long messages are kept; None means for ever. An operator may replace the ages of
    `contracts/retention.toml`.
    """

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    is_protected: bool = False
    is_work_queue: bool = False
    has_schedules: bool = False
    duplicate_window: timedelta = timedelta(minutes=2)
    max_age: timedelta | None = None
    max_message_bytes: int = 1 << 20
    consumers: tuple[ConsumerSpec, ...] = ()


@dataclass(frozen=True)
class BucketSpec:
    """A KV bucket with history 1; `ttl` is for personal data that must not stay."""

    name: str
    max_bytes: int = _GIB
    ttl: timedelta | None = None
    is_atomic: bool = False


CONTENT_KINDS = ("submitted", "corrected", "withdrawn")


def content(unit: str, kind: str) -> str:
    """kind: one of `CONTENT_KINDS`."""
    return f"content.{unit}.{kind}"


def inbound(unit: str, kind: str) -> str:
    """The subject of `content` in Loa's own account, as a unit's account reaches it."""
    return f"in.{unit}.{kind}"


def case(unit: str) -> str:
    return f"case.{unit}.updated"


def publication(topic: str, content_id: str) -> str:
    return f"publication.{topic}.{content_id}"


def deliver(channel: ChannelName, lane: Lane) -> str:
    return f"deliver.{channel}.{lane}"


def scheduled(batch: BatchKey, wake: int) -> str:
    """Subject of a scheduled wake-up; its number protects it from stale workers."""
    return f"sched.{batch}.{wake}"


def dead(stage: str) -> str:
    return f"dead.{stage}"


def receipt(channel: ChannelName, kind: str) -> str:
    return f"receipt.{channel}.{kind}"


def reaction(channel: str, content_id: str, reaction_name: str) -> str:
    """One message without a body per button press; the subject carries the reaction."""
    return f"opinion.{channel}.{content_id}.{reaction_name}"


def editorial(content_id: str) -> str:
    """Subject of every act on an item."""
    return f"{_EDITORIAL}.{content_id}"


def item_of_editorial(subject: str) -> str:
    """The item of a subject of `editorial`."""
    return subject.removeprefix(f"{_EDITORIAL}.")


def fact(key: str) -> str:
    """Subject of a fact, by its key."""
    return f"{_FACT}.{key}"


def status(unit: str, item: str) -> str:
    """Subject of every fact about a unit's item, or of one fact that names none."""
    return f"{STATUS_SUBJECT}.{unit}.{item}"


def callback(unit: str, endpoint: str) -> str:
    """Subject of the attempts to call a unit's endpoint."""
    return f"callback.{unit}.{endpoint}"


def key_of_fact(subject: str) -> str:
    """The key of a subject of `fact`."""
    return subject.removeprefix(f"{_FACT}.")


def upload_piece(object_id: str) -> str:
    """Subject of every piece of an object."""
    return f"{_UPLOAD_PIECES}.{object_id}"


def upload(name: str) -> str:
    """Subject of what an object is; JetStream's object stores write its name in base64."""
    return f"{_UPLOADS}.{urlsafe_b64encode(name.encode()).decode()}"


def durable(subject: str) -> str:
    """The durable consumer's name for *subject*."""
    return subject.replace(".", "-").replace("*", "any").replace(">", "all")


def dispatch(channel: ChannelName) -> str:
    """Durable name per channel, so that the portal never waits for a mail in doubt."""
    return f"dispatch-{channel}"


INTAKE = "intake"
_EDITORIAL = "editorial"
_FACT = "fact"
STATUS_SUBJECT = "publication.status"
_FEEDBACK = "feedback"
ZALO_EVENTS = "zalo-people"
_MAX_WAITING_MESSAGES = 100_000
"""Limit of unacknowledged messages: publications that wait for their time and batches of a paused
channel must not block new messages.
"""

CONTENT = StreamSpec(
    "CONTENT",
    ("content.*.*", "case.*.updated"),
    max_bytes=10 * _GIB,
    duplicate_window=timedelta(minutes=10),
    consumers=(ConsumerSpec(INTAKE, ">"),),
)
_INBOUND = "IN_"
ALL_INBOUND = inbound("*", "*")
_MIB = 1 << 20


def inbound_stream(unit: str) -> StreamSpec:
    """Stream of a unit's account, until intake has moved its messages to CONTENT.

    Message ids, quota and headers of one unit can do nothing to another's. A unit's event is at
    most 256 KiB; one at a time is moved, so that their order stays.
    """
    return StreamSpec(
        f"{_INBOUND}{unit}",
        (inbound(unit, "*"),),
        max_bytes=256 * _MIB,
        is_work_queue=True,
        duplicate_window=timedelta(minutes=10),
        max_message_bytes=_MIB // 2,
        consumers=(ConsumerSpec(INTAKE, ">", timedelta(seconds=10), max_ack_pending=1),),
    )


def unit_of_inbound(stream: str) -> str:
    """The unit of an inbound stream; empty for another stream."""
    return stream.removeprefix(_INBOUND) if stream.startswith(_INBOUND) else ""


PUBLICATIONS = StreamSpec(
    "PUBLICATIONS",
    ("publication.*.*",),
    max_bytes=10 * _GIB,
    duplicate_window=timedelta(minutes=10),
    consumers=tuple(
        ConsumerSpec(dispatch(channel), ">", max_ack_pending=_MAX_WAITING_MESSAGES)
        for channel in ChannelName
    ),
)
DELIVER = StreamSpec(
    "DELIVER",
    ("deliver.*.*", "sched.>"),
    max_bytes=2 * _GIB,
    is_work_queue=True,
    has_schedules=True,
    consumers=tuple(
        ConsumerSpec(
            durable(deliver(channel, lane)),
            deliver(channel, lane),
            max_ack_pending=_MAX_WAITING_MESSAGES,
        )
        for channel in ChannelName
        for lane in Lane
    ),
)
RECEIPTS = StreamSpec(
    "RECEIPTS",
    ("receipt.*.*",),
    max_bytes=4 * _GIB,
    duplicate_window=timedelta(hours=3),  # Zalo repeats an event for 1 h 51 min
    max_age=RETENTION.span("receipts"),  # it names people by their Zalo ids
    consumers=(
        ConsumerSpec(_FEEDBACK, ">"),
        ConsumerSpec(
            ZALO_EVENTS, receipt(ChannelName.ZALO, "*"), max_ack_pending=_MAX_WAITING_MESSAGES
        ),
    ),
)
DEAD = StreamSpec("DEAD", ("dead.*",), max_bytes=2 * _GIB, is_protected=True)
OPINIONS = StreamSpec("OPINIONS", ("opinion.*.*.*",), max_bytes=_GIB, max_message_bytes=1 << 10)
AUDIT_RECORD = "audit.record"
AUDIT = StreamSpec("AUDIT", (AUDIT_RECORD,), max_bytes=2 * _GIB, is_protected=True)
EDITORIAL = StreamSpec(
    "EDITORIAL",
    (editorial("*"),),
    max_bytes=10 * _GIB,
    is_protected=True,
    duplicate_window=timedelta(minutes=10),
    consumers=(ConsumerSpec(INTAKE, ">"),),
)
"""Acts on items, with the whole text where they change it; kept for ever."""
FACTS = StreamSpec("FACTS", (fact(">"),), max_bytes=4 * _GIB, is_protected=True)
"""Facts that reports count, a subject for each; kept for ever."""
STATUS = StreamSpec(
    "STATUS",
    (f"{STATUS_SUBJECT}.*.*",),
    max_bytes=4 * _GIB,
    duplicate_window=timedelta(minutes=10),
    max_age=RETENTION.span("callbacks"),
)
"""Facts about units' items, as each unit is told of its own."""
CALLBACKS_LOG = StreamSpec(
    "CALLBACKS", (callback("*", "*"),), max_bytes=_GIB, max_age=RETENTION.span("callbacks")
)
"""Attempts to call units' systems: when, which fact, and the answer."""
_UPLOAD_PIECES, _UPLOADS = "$O.uploads.C", "$O.uploads.M"
UPLOADS = StreamSpec(
    "OBJ_uploads",
    (f"{_UPLOAD_PIECES}.*", f"{_UPLOADS}.*"),
    max_bytes=20 * _GIB,
    max_message_bytes=1 << 19,
)
"""Files that officials upload, in the layout of a JetStream object store."""
ALL_UPLOAD_PIECES, ALL_UPLOADS = UPLOADS.subjects
STREAMS = (
    CONTENT,
    PUBLICATIONS,
    DELIVER,
    RECEIPTS,
    DEAD,
    OPINIONS,
    AUDIT,
    EDITORIAL,
    FACTS,
    STATUS,
    CALLBACKS_LOG,
    UPLOADS,
)

EVENTS = BucketSpec("events", max_bytes=10 * _GIB)
PUBLISHED = BucketSpec("publications", max_bytes=4 * _GIB)
LEDGER = BucketSpec("ledger", max_bytes=20 * _GIB, is_atomic=True)
SUBSCRIBERS = BucketSpec("subscribers", max_bytes=16 * _GIB, is_atomic=True)
"""A reader takes about 1,000 bytes: 17 million of them."""
PERSON_KEYS = BucketSpec("person_keys", max_bytes=5 * _GIB, is_atomic=True)
"""The data keys of people's records, of about 320 bytes; one that is destroyed is overwritten on
the disk."""
UNITS = BucketSpec("units", max_bytes=64 << 20)
TRIAL_UNITS = BucketSpec("trial_units", max_bytes=64 << 20)
"""Keys for trials, and the guests who get them; apart from `units`, where an earlier version would
take a key of trials for one that publishes."""
TRIALS = BucketSpec("trials", ttl=RETENTION.span("trials"))
"""Trial events and the history of their items: no stream has them, and no dispatcher reads them."""
NOTICES = BucketSpec("notices", max_bytes=8 * _GIB, ttl=RETENTION.span("letters"), is_atomic=True)
"""Contact (about 470 bytes with key and headers) and message id at Zalo (about 170), for
30 days: 8 GiB / 30 / 640 bytes = 440,000 notices a day. A full one closes the door to them."""
DIGESTS = BucketSpec("digests", max_bytes=_GIB, is_atomic=True)
IMPORTS = BucketSpec("imports", max_bytes=256 << 20)
SUPPRESSED = BucketSpec("suppressed")
FOLLOWERS = BucketSpec("followers", is_atomic=True)
STAFF = BucketSpec("staff", max_bytes=64 << 20)
SESSIONS = BucketSpec("sessions", max_bytes=256 << 20, ttl=RETENTION.span("sessions"))
"""Sessions of staff, attempts to sign in, and actions that wait for a second person."""
STAFF_MAIL = BucketSpec("staff_mail", max_bytes=256 << 20, is_atomic=True)
"""Mails about items still due to staff, and the position up to which the editorial log was read."""
KEPT_TEXTS = BucketSpec("kept_texts", max_bytes=256 << 20, ttl=RETENTION.span("typed"))
"""Texts typed at the desk and not saved, and the people who have a text open."""
CALLBACKS = BucketSpec("callbacks", max_bytes=256 << 20)
"""Addresses of units' systems that are called about their items, and how far each is."""
VAULT = BucketSpec("vault", max_bytes=64 << 20)
CONTROL = BucketSpec("control")
BUCKETS = (
    EVENTS,
    PUBLISHED,
    LEDGER,
    SUBSCRIBERS,
    PERSON_KEYS,
    UNITS,
    TRIAL_UNITS,
    TRIALS,
    NOTICES,
    DIGESTS,
    IMPORTS,
    SUPPRESSED,
    FOLLOWERS,
    STAFF,
    SESSIONS,
    STAFF_MAIL,
    KEPT_TEXTS,
    CALLBACKS,
    VAULT,
    CONTROL,
)
DESK = BucketSpec("desk", max_bytes=_GIB)
"""Drafts of versions before the editorial log, which intake carries over to it."""
FORMER_BUCKETS = (DESK,)
"""Buckets that a start deletes once nothing is in them, and nothing was written for a day."""
