"""Template parameters: Zalo's checks, and the filled text."""

import re
from collections.abc import Mapping

from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.templates import Param, Template

_DATE_PATTERN = re.compile(
    r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?( (0[1-9]|[12]\d|3[01])/(0[1-9]|1[0-2])/\d{4})?"
    r"|((0[1-9]|[12]\d|3[01])/)?(0[1-9]|1[0-2])/\d{4}"
)
"""`hh:mm[:ss] [dd/mm/yyyy]`, `dd/mm/yyyy`, `mm/yyyy`."""
_NUMBER_PATTERN = re.compile(r"[1-9]\d*|0")
_FORMATS = {"DATE": _DATE_PATTERN, "NUMBER": _NUMBER_PATTERN}


def check_values(template: Template, data: object) -> dict[str, str]:
    """The values by name. Raises ApiError with Zalo's codes."""
    if not isinstance(data, Mapping) or (not data and template.params):
        raise ApiError(-111, "Template data is empty")
    return {
        param.name: _checked_value(param, data)
        for param in template.params
        if _is_given(param, data)
    }


def _is_given(param: Param, data: Mapping[str, object]) -> bool:
    """Whether there is a value to check; an optional one may be missing."""
    value = data.get(param.name)
    if value is None and param.require and not (param.accept_null and param.name in data):
        raise ApiError(-1122, f"Missing parameter {param.name}")
    return value is not None


def _checked_value(param: Param, data: Mapping[str, object]) -> str:
    """The checked value. Its length counts as it came: text that is not in NFC is longer."""
    value = data[param.name]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ApiError(-112, f"Data type of {param.name} is not defined")
    text = str(value)
    if len(text) > param.max_length:
        raise ApiError(-1121, f"Parameter {param.name} exceeds max length {param.max_length}")
    shape = _FORMATS.get(param.type)
    if len(text) < param.min_length or (shape is not None and not shape.fullmatch(text)):
        raise ApiError(-1124, f"Parameter {param.name} has wrong format")
    return text


def fill_text(template: Template, values: Mapping[str, str]) -> str:
    """The text with its parameters filled; a missing one is empty."""
    return re.sub(r"<(\w+)>", lambda blank: values.get(blank[1], ""), template.text).strip()
