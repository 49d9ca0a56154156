"""The vocabulary of events: words, types and limits as one document, and the schemas of events."""

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from contracts import envelope, events
from contracts.base.markdown_size import RENDERED_MAX
from contracts.content import RequestableLane
from contracts.delivery import ChannelName
from contracts.errors import NotFound
from contracts.publication import RELEASED
from contracts.trace import ResponseBody
from contracts.vocabulary import PROVINCES, REJECTIONS, Vocabulary
from producers.gateway.access import BURST, EVENTS_PER_MINUTE, TRIALS_PER_MINUTE
from producers.gateway.request_body import BATCH_BODY_BYTES
from producers.texts import unknown_schema

SCHEMA_TYPE = "application/schema+json"
VOCABULARY_PATH = "/v1/vocabulary"
SCHEMAS_PATH = "/v1/schemas"
_SCHEMAS = Path(events.__file__).parent / "schemas"


class Word(ResponseBody):
    """An id that events may use, and what it means."""

    id: str
    """Id, as events write it."""
    name: str
    """Its name in Vietnamese."""


class TranslatedWord(Word):
    """An id with its name in Vietnamese and English."""

    english: str
    """Its name in English."""


class TopicWord(TranslatedWord):
    """A topic; readers can't subscribe to one of the kind `system`."""

    kind: Literal["core", "optional", "system"]
    """core and optional: readers choose it; system: nobody can."""


class UnitWord(TranslatedWord):
    """A unit of the ministry; one that has ended has a last day, `until`."""

    group: str
    """The part of the ministry that the unit is of."""
    until: date | None
    """The last day of a unit that has ended."""
    former_ids: list[str]
    """Ids that it had before; they are taken, too."""


class EventType(ResponseBody):
    """A type of event, and the schemas of its data and of the whole event."""

    type: str
    """Type, as events write it."""
    over_bus: bool
    """Whether NATS takes it as well as HTTP."""
    data_schema: str
    """The address of the schema of `data`."""
    event_schema: str
    """The address of the schema of the whole event."""


class RejectionCode(ResponseBody):
    """Why the desk turns an item down; the status of the event has it."""

    code: str
    """Code, as the status has it."""
    meaning: str
    """In English."""
    meaning_vi: str
    """In Vietnamese."""


class Limits(ResponseBody):
    """Limits of one request, and of a unit's events; those of fields are in the schemas."""

    event_bytes: int = envelope.MAX_EVENT_BYTES
    """The most bytes of an event."""
    batch_bytes: int = BATCH_BODY_BYTES
    """The most bytes of a batch."""
    batch_events: int = envelope.MAX_BATCH_EVENTS
    """The most events of a batch."""
    rendered_body_bytes: int = RENDERED_MAX
    """The most bytes of a body as it is shown."""
    events_per_minute: int = EVENTS_PER_MINUTE
    """The events that a unit may send in the long run."""
    events_at_once: int = BURST
    """The events that a unit may send at once."""
    trials_per_minute: int = TRIALS_PER_MINUTE
    """The trials that a unit may send in the long run."""


class VocabularyDocument(ResponseBody):
    """Every word that an event may use here and now, and the limits."""

    types: list[EventType]
    """Types of events."""
    topics: list[TopicWord]
    """Topics that items may have."""
    audiences: list[TranslatedWord]
    """Who items may be for."""
    units: list[UnitWord]
    """Units of the ministry."""
    provinces: list[Word]
    """Provinces, for broadcasts on Zalo."""
    channels: list[ChannelName]
    """Channels."""
    lanes: list[RequestableLane]
    """Lanes that an event may ask for."""
    rejection_codes: list[RejectionCode]
    """Why the desk turns items down."""
    limits: Limits
    """Limits of requests."""


class SchemaList(ResponseBody):
    """The addresses of all schemas, by name."""

    schemas: dict[str, str]
    """Name of the schema, and its address."""


class CachedAnswer:
    """An answer that does not change while the process runs, with its ETag."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self.body = body
        self.media_type = media_type
        self.headers = {
            "ETag": f'"{sha256(body).hexdigest()[:32]}"',
            "Cache-Control": "public, max-age=300",
        }

    def answer(self, request: Request) -> Response:
        """The whole answer, or 304 to a client that has it already."""
        known = request.headers.get("if-none-match", "")
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if tags & {self.headers["ETag"], "*"}:
            return Response(status_code=304, headers=self.headers)
        return Response(self.body, headers=self.headers, media_type=self.media_type)


class VocabularyRoutes:
    """Handlers of the vocabulary and of the schemas; both need no key."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        document = _build_vocabulary(vocabulary)
        self.document = CachedAnswer(document.model_dump_json().encode(), "application/json")
        self.schemas = _load_schemas()
        urls = SchemaList(schemas={name: _schema_url(name) for name in sorted(self.schemas)})
        self.list = CachedAnswer(urls.model_dump_json().encode(), "application/json")

    async def vocabulary(self, request: Request) -> Response:
        return self.document.answer(request)

    async def schema_list(self, request: Request) -> Response:
        return self.list.answer(request)

    async def schema(self, request: Request) -> Response:
        """One schema. Raises NotFound."""
        name = request.path_params["name"]
        if name not in self.schemas:
            raise NotFound(unknown_schema(name, sorted(self.schemas)))
        return self.schemas[name].answer(request)


def _build_vocabulary(vocabulary: Vocabulary) -> VocabularyDocument:
    """The document of *vocabulary* and of the contracts."""
    return VocabularyDocument(
        types=[_event_type(name) for name in events.KINDS],
        topics=_topics(vocabulary),
        audiences=[
            TranslatedWord(id=name, **audience.model_dump())
            for name, audience in vocabulary.audiences.items()
        ],
        units=_units(vocabulary),
        provinces=[Word(id=name, name=province.name) for name, province in PROVINCES.items()],
        channels=list(ChannelName),
        lanes=list(get_args(RequestableLane)),
        rejection_codes=[
            RejectionCode(code=code, meaning=texts["en"], meaning_vi=texts["vi"])
            for code, texts in REJECTIONS.items()
        ],
        limits=Limits(),
    )


def _topics(vocabulary: Vocabulary) -> list[TopicWord]:
    """The topics that events may use."""
    return [
        TopicWord(id=name, **topic.model_dump(exclude={"own"}))
        for name, topic in vocabulary.topics.items()
        if not vocabulary.is_reserved(name)
    ]


def _units(vocabulary: Vocabulary) -> list[UnitWord]:
    """All units, ended ones included, with their former ids."""
    former: dict[str, list[str]] = {}
    for alias, unit_id in vocabulary.aliases.items():
        former.setdefault(unit_id, []).append(alias)
    return [
        UnitWord(id=name, **unit.model_dump(exclude={"formerly"}), former_ids=former.get(name, []))
        for name, unit in vocabulary.units.items()
    ]


def _event_type(name: str) -> EventType:
    return EventType(
        type=name,
        over_bus=name in events.BUS_TYPES,
        data_schema=_schema_url(name),
        event_schema=_schema_url(f"{name}.event"),
    )


def _schema_url(name: str) -> str:
    return f"{SCHEMAS_PATH}/{name}"


def _load_schemas() -> Mapping[str, CachedAnswer]:
    """The committed schemas of all events, and of the publication that follows from them."""
    names = [f"{kind}{suffix}" for kind in (*events.KINDS, RELEASED) for suffix in ("", ".event")]
    return {
        name: CachedAnswer((_SCHEMAS / f"{name}.json").read_bytes(), SCHEMA_TYPE) for name in names
    }
