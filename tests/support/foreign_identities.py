"""Requests by which a unit with a key of its own tries to be another unit."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.support.gateway_client import BATCH, OTHER, STRUCTURED, UNIT, sample_event

_SAME_LOOK = str.maketrans({"a": "\u0430", "o": "\u043e", "p": "\u0440"})  # Cyrillic
_FULL_WIDTH = str.maketrans({chr(n): chr(n + 0xFEE0) for n in range(ord("a"), ord("z") + 1)})
NAMES = (
    OTHER, OTHER.upper(), OTHER.title(), OTHER.translate(_SAME_LOOK), OTHER.translate(_FULL_WIDTH),
    quote(OTHER, safe="").replace("-", "%2D"), "%76" + OTHER[1:], f"{OTHER}\u200b",
    f"\ufeff{OTHER}",
    f"{OTHER}\u00a0", OTHER.replace("-", "\u2010"), OTHER.replace("-", "\u00ad-"), f"{OTHER}.",
    f"{OTHER};{UNIT}", f"{OTHER},{UNIT}", f"{OTHER}%00", f"{OTHER}\u0000", f"{OTHER}\u202e",
)  # fmt: skip
PLACES = (
    "/units/{}", "//units/{}", "///units/{}", "/units//{}", "/units/{}/", "/UNITS/{}", "units/{}",
    f"/units/{UNIT}/../{{}}", f"/units/{UNIT}/%2e%2e/{{}}", "/./units/{}", "/units/./{}",
    "/units/{}?", "/units/{}#x", "/units/{}//", "\\units\\{}", "/units\\{}", "/%75nits/{}",
    "https://loa.example/units/{}", "urn:units:{}", "/units/{}/a", f"/units/{UNIT} /units/{{}}",
)  # fmt: skip
SOURCES = tuple(place.format(name) for place, name in product(PLACES, NAMES))
KINDS = ("submitted", "corrected", "withdrawn")
VICTIM_ITEM, VICTIM_EVENT = "tin-cua-van-phong", "cua-van-phong-1"
_NAMED = {"unit": OTHER, "unitid": OTHER, "publisher": OTHER, "tenant": OTHER, "submitter": OTHER}
_HEADERS = (
    "X-Unit", "X-Loa-Unit", "X-Forwarded-User", "X-Remote-User", "Remote-User", "From",
    "X-Api-Key", "Ce-Unit", "Ce-Source", "Ce-Submitter", "Nats-Msg-Id", "Loa-Unit", "Loa-Seal",
)  # fmt: skip


class Try(NamedTuple):
    """One request; *keys* are the values of its Authorization headers, the own key if empty."""

    body: bytes
    content_type: str = STRUCTURED
    keys: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    path: str = "/v1/events"


def _event(number: int, kind: str, source: str, **data: Any) -> dict[str, Any]:
    """An event of the attacker: its own ids and items in turn with those of the other unit."""
    foreign = number % 3 == 0
    content_id = VICTIM_ITEM if foreign or kind != "submitted" else f"tin-gia-{number}"
    id = VICTIM_EVENT if number % 5 == 0 else f"gia-{number}"
    return sample_event(kind, id=id, content_id=content_id, **data) | {"source": source}


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def of_sources() -> Iterator[Try]:
    """Each spelling of the other unit's source, as one event, in a batch, and in headers."""
    for number, (source, kind) in enumerate(product(SOURCES, KINDS)):
        event = _event(number, kind, source)
        mode = (number + number // 3) % 3
        if mode == 0:
            yield Try(_dump(event))
        elif mode == 1:
            own = sample_event(id=f"eigen-{number}", content_id=f"tin-rieng-{number}")
            yield Try(_dump([own, event]), BATCH)
        else:
            named = {n: v for n, v in event.items() if n not in ("data", "datacontenttype")}
            said = [(f"ce-{n}", quote(str(v), safe="/:-_.~#?;,% \\")) for n, v in named.items()]
            yield Try(_dump(event["data"]), "application/json", headers=tuple(said))


def of_fields() -> Iterator[Try]:
    """The other unit in extension attributes, in the data, in headers, twice in one object."""
    number = 10_000
    for (name, value), kind in product(_NAMED.items(), KINDS):
        number += 1
        event = _event(number, kind, f"/units/{UNIT}")
        yield Try(_dump(event | {name: value}))
        yield Try(_dump(event | {"data": event["data"] | {name: value}}))
        doubled = _dump(event).replace(b'"source"', f'"source":"/units/{OTHER}","source"'.encode())
        yield Try(doubled)
    for name, kind in product(_HEADERS, KINDS):
        number += 1
        value = f"/units/{OTHER}" if name == "Ce-Source" else OTHER
        yield Try(_dump(_event(number, kind, f"/units/{UNIT}")), headers=((name, value),))


def of_keys(own: str) -> Iterator[Try]:
    """Keys with the other unit's prefix, and several Authorization headers."""
    secret = own.rpartition("_")[2]
    made = [f"loa_{name}_{secret}" for name in NAMES] + [
        f"loa_{OTHER}_{fill}" for fill in ("0" * 64, "f" * 64, secret.upper(), secret[:-1], "")
    ]
    made += [f"{own}_{OTHER}", f"loa_{OTHER}_{own}", f"loa_{UNIT}/{OTHER}_{secret}", f"{own}\t"]
    source = f"/units/{OTHER}"
    for number, key in enumerate(made, 20_000):
        body = _dump(_event(number, "submitted", source))
        bearer = f"Bearer {key}"
        yield Try(body, keys=(bearer,))
        yield Try(body, keys=(f"Bearer {own}", bearer))
        yield Try(body, keys=(bearer, f"Bearer {own}"))
        yield Try(body, keys=(f"Bearer {own}, {bearer}",))
        yield Try(body, path=f"/v1/events?key={quote(key)}&unit={OTHER}")


def of_readers(event_id: str) -> list[str]:
    """Paths of the other unit's event, spelled in many ways."""
    spelled = [
        event_id, event_id.upper(), f"{event_id}/", f"/{event_id}", f"./{event_id}",
        f"x/../{event_id}", f"%2e/{event_id}", "".join(f"%{ord(one):02x}" for one in event_id),
        f"{event_id}%00", f"{event_id}%0a", f"{event_id}?unit={OTHER}", f"{event_id};unit={OTHER}",
        f"{event_id}#", f"{event_id}.json", f"%20{event_id}", VICTIM_EVENT, VICTIM_ITEM,
        f"{OTHER}.{VICTIM_EVENT}", f"*{event_id}", f"{event_id}.>", f"$KV.events.{event_id}",
    ]  # fmt: skip
    return [f"/v1/events/{path}" for path in spelled]


def all_tries(own: str) -> list[Try]:
    """Every request, once."""
    return list(dict.fromkeys([*of_sources(), *of_fields(), *of_keys(own)]))
