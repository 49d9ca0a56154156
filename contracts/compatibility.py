"""Whether a changed schema still takes everything the old one took, word by word.

    breaking(old, new) -> ["title: maxLength 150 → 100", ...]

Small and pure, for schemas without cycles. It knows the words our schemas use, and calls any other
word that differs a break. Texts for people (title, description, examples) do not count. An optional
field that is new in an open object is no break: who sent one before was not understood anyway.
"""

from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]
Refuses = Callable[[Any, Any], bool]

UNSAID = object()
INFINITY = float("inf")
FOR_PEOPLE = frozenset({"title", "description", "examples", "$comment", "$schema", "$id", "$defs"})
JSON_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def breaking(old: Schema, new: Schema) -> list[str]:
    """What of *old* is refused by *new*, one line per place; empty when nothing is."""
    return list(_node(_branches(old, old), _branches(new, new), ""))


def bare(schema: Any) -> Any:
    """*schema* without what only people read."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema.items() if "$ref" in schema or "type" in schema else ()
    return {word: bare(value) for word, value in kept}


def _node(old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
    """Every kind of value the old node took must find one in the new node that takes it."""
    for branch in old:
        candidates = [list(_branch(branch, taker, path)) for taker in new if _same(branch, taker)]
        if candidates:
            yield from min(candidates, key=len)
        else:
            yield f"{path or 'root'}: {branch.get('type', 'anything')} is no longer taken"


def _same(old: Schema, new: Schema) -> bool:
    before, after = old.get("type", UNSAID), new.get("type", UNSAID)
    return after in (UNSAID, before) or (before == "integer" and after == "number")


def _branch(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in sorted((old.keys() | new.keys()) - FOR_PEOPLE - STRUCTURE.keys()):
        before, after = old.get(word, UNSAID), new.get(word, UNSAID)
        if WORDS.get(word, _differs)(before, after):
            yield f"{path or 'root'}: {word} {_shown(before)} → {_shown(after)}"
    for compare in STRUCTURE.values():
        yield from compare(old, new, path)


def _raised(old: Any, new: Any) -> bool:
    return new is not UNSAID and (old is UNSAID or new > old)


def _lowered(old: Any, new: Any) -> bool:
    return new is not UNSAID and (old is UNSAID or new < old)


def _set_anew(old: Any, new: Any) -> bool:
    return new is not UNSAID and new != old


def _fewer(old: Any, new: Any) -> bool:
    return new is not UNSAID and (old is UNSAID or any(value not in new for value in old))


def _differs(old: Any, new: Any) -> bool:
    return bool(old != new)


WORDS: dict[str, Refuses] = {
    "type": lambda _old, _new: False,  # judged when branches are paired
    "enum": _fewer,
    "pattern": _set_anew,
    "format": _set_anew,
    "uniqueItems": lambda old, new: new is True and old is not True,
    **dict.fromkeys(("minLength", "minItems", "minimum", "exclusiveMinimum"), _raised),
    **dict.fromkeys(("maxLength", "maxItems", "maximum", "exclusiveMaximum"), _lowered),
}
