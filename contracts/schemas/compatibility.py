"""Backward compatibility of a schema, keyword by keyword.

    breaking_changes(old, new) -> ["title: maxLength 150 → 100", ...]
    lost_answers(old, new)     -> ["title: is gone", ...]

The first is for what others send, the second for what they read. Pure functions, for schemas
without cycles. Keywords outside `_KEYWORD_RULES` break as soon as they differ. Annotations (title,
description, examples) are ignored. A new optional field in an open object is compatible: earlier
values of that name were ignored.
"""

from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]
Refuses = Callable[[Any, Any], bool]
_Comparison = Callable[[list[Schema], list[Schema], str], Iterator[str]]

ANNOTATIONS = frozenset(
    {"title", "description", "x-description-vi", "examples", "$comment", "$schema", "$id", "$defs"}
)
_ABSENT = object()
"""Marks a keyword that a schema does not use."""

_ACCEPTS_ALL: Schema = {}
"""A branch that accepts every value."""

_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Values of *old* that *new* refuses, one line per place; empty if compatible."""
    return list(dict.fromkeys(_compare_nodes(_to_branches(old), _to_branches(new), "")))


def lost_answers(old: Schema, new: Schema) -> list[str]:
    """Losses of readers who expect answers by *old* and get *new*; more fields and words are none.

    Fields that are gone or not always there, other types and formats, lost words of an enum.
    """
    return list(dict.fromkeys(_lost_in_nodes(_to_branches(old), _to_branches(new), "")))


def _lost_in_nodes(old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
    if _ACCEPTS_ALL in old:
        return
    for branch in new:
        if not any(_may_accept(branch, reader) for reader in old):
            yield f"{path or 'root'}: {branch.get('type', 'anything')} is new"
    for branch in old:
        kind = branch.get("type")
        told = [one for one in new if one.get("type") == kind]
        if told:
            yield from min((list(_lost_in_branch(branch, one, path)) for one in told), key=len)
        elif kind not in (None, "null"):
            yield f"{path or 'root'}: {kind} is gone"


def _lost_in_branch(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in ("enum", "format"):
        if word in old and _KEYWORD_RULES[word](old[word], new.get(word, _ABSENT)):
            yield f"{path or 'root'}: {word} {old[word]} → {new[word]}"
    for name in sorted({*old.get("required", ())} - {*new.get("required", ())}):
        if name in new["properties"]:
            yield f"{_child_path(path, name)}: may be missing now"
    yield from _compare_properties(old, new, path, _lost_in_nodes)
    for word, mark in _PATH_MARKS.items():
        yield from _lost_in_nodes(old[word], new[word], _child_path(path, mark))


def _to_branches(schema: Any, root: Schema | None = None) -> list[Schema]:
    """*schema* as branches of one type each, with references resolved and annotations removed."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return [_ACCEPTS_ALL] if schema else []
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return _to_branches({**target, **_without(schema, "$ref")}, root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = _without(schema, word)
            return [each for part in schema[word] for each in _to_branches({**rest, **part}, root)]
    if "const" in schema:
        return _to_branches({**_without(schema, "const"), "enum": [schema["const"]]}, root)
    return [_to_branch(schema, kind, root) for kind in _types(schema)]


def _without(schema: Schema, word: str) -> Schema:
    return {key: value for key, value in schema.items() if key != word}


def _types(schema: Schema) -> list[str | None]:
    types = schema.get("type") or sorted({_TYPES[type(value)] for value in schema.get("enum", ())})
    return [types] if isinstance(types, str) else types or [None]


def _to_branch(schema: Schema, kind: str | None, root: Schema) -> Schema:
    """One branch; nested schemas become branches, too."""
    branch = {word: value for word, value in schema.items() if word not in ANNOTATIONS}
    if kind:
        branch["type"] = kind
    for word in ("items", "additionalProperties", "propertyNames"):
        branch[word] = _to_branches(branch.get(word, True), root)
    properties = branch.get("properties", {})
    branch["properties"] = {name: _to_branches(part, root) for name, part in properties.items()}
    return branch


def _compare_nodes(old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
    """Yield the values of the old node that no branch of the new node accepts."""
    for branch in old if _ACCEPTS_ALL not in new else ():
        candidates = [
            list(_compare_branches(branch, taker, path))
            for taker in new
            if _may_accept(branch, taker)
        ]
        if candidates:
            yield from min(candidates, key=len)
        else:
            yield f"{path or 'root'}: {branch.get('type', 'anything')} is no longer taken"


def _may_accept(old: Schema, new: Schema) -> bool:
    if old == _ACCEPTS_ALL:
        return False
    before, after = old.get("type", _ABSENT), new.get("type", _ABSENT)
    return after in (_ABSENT, before) or (before == "integer" and after == "number")


def _compare_branches(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in sorted((old.keys() | new.keys()) - _NESTED_KEYWORDS):
        before, after = old.get(word, _ABSENT), new.get(word, _ABSENT)
        if _KEYWORD_RULES.get(word, _is_different)(before, after):
            yield f"{path or 'root'}: {word} {_format_value(before)} → {_format_value(after)}"
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{_child_path(path, name)}: is required now"
    yield from _compare_properties(old, new, path, _compare_nodes)
    for word, mark in _PATH_MARKS.items():
        yield from _compare_nodes(old[word], new[word], _child_path(path, mark))


def _compare_properties(old: Schema, new: Schema, path: str, compare: _Comparison) -> Iterator[str]:
    for name, part in old["properties"].items():
        if name in new["properties"]:
            yield from compare(part, new["properties"][name], _child_path(path, name))
        else:
            yield f"{_child_path(path, name)}: is gone"


def _child_path(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name != "[]" else f"{path}{name}"


def _format_value(value: Any) -> str:
    return "unsaid" if value is _ABSENT else str(value)


def _is_raised(old: Any, new: Any) -> bool:
    return new is not _ABSENT and (old is _ABSENT or new > old)


def _is_lowered(old: Any, new: Any) -> bool:
    return new is not _ABSENT and (old is _ABSENT or new < old)


def _is_set_anew(old: Any, new: Any) -> bool:
    return new is not _ABSENT and bool(new != old)


def _has_fewer(old: Any, new: Any) -> bool:
    return new is not _ABSENT and (old is _ABSENT or any(value not in new for value in old))


def _is_different(old: Any, new: Any) -> bool:
    return bool(old != new)


_PATH_MARKS = {"items": "[]", "additionalProperties": "*", "propertyNames": "(name)"}
_NESTED_KEYWORDS = frozenset({*_PATH_MARKS, "properties", "required", "type"})
_KEYWORD_RULES: dict[str, Refuses] = {
    "enum": _has_fewer,
    "pattern": _is_set_anew,
    "format": _is_set_anew,
    "uniqueItems": lambda old, new: new is True and old is not True,
    **dict.fromkeys(("minLength", "minItems", "minimum", "exclusiveMinimum"), _is_raised),
    **dict.fromkeys(("maxLength", "maxItems", "maximum", "exclusiveMaximum"), _is_lowered),
}
"""When a changed keyword is a breaking change; other keywords break as soon as they differ."""
