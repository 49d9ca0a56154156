"""Template parameters filled with a notice's values, within Zalo's limits."""

from collections.abc import Mapping

from channels.base import Outcome, Verdict
from channels.case_notice_texts import FREE_TEXT_PARAMETERS, MONEY_PARAMETERS
from channels.zalo.case_notices.template_models import Template, TemplateParam
from channels.zalo.errors import RowOutcome
from contracts.text import limits
from contracts.text.limits import TextLimit, utf16_units

_NUMBER_TYPE = "NUMBER"
_LONGEST_ESCAPE = 6
"""Length of `&quot;`: Zalo counts a template's value unescaped."""


def fill_params(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """The parameters in Zalo's form. Raises RowOutcome naming a missing or unfit parameter."""
    params = {param.name: _param_value(param, values) for param in template.blanks}
    return {name: text for name, text in params.items() if text}


def _param_value(param: TemplateParam, values: Mapping[str, str]) -> str:
    """The value; empty for an optional parameter whose value is missing or unfit."""
    text = _fit_value(param, values.get(param.name, ""))
    if utf16_units(text) >= max(param.min_length, 1) and not _is_too_long(param, text):
        return text
    if param.require:
        raise _unfit_param(param, text)
    return ""


def _fit_value(param: TemplateParam, text: str) -> str:
    if param.type.upper() == _NUMBER_TYPE and param.name in MONEY_PARAMETERS:
        return text.replace(".", "")
    if param.name in FREE_TEXT_PARAMETERS and _is_too_long(param, text):
        room = param.max_length
        return limits.shorten(text, TextLimit(room, _LONGEST_ESCAPE * room))
    return text


def _is_too_long(param: TemplateParam, text: str) -> bool:
    return bool(param.max_length) and utf16_units(text) > param.max_length


def _unfit_param(param: TemplateParam, text: str) -> RowOutcome:
    why = "missing" if not text else "too long" if _is_too_long(param, text) else "too short"
    reason = f"template parameter {param.name}: {why}"
    return RowOutcome(Outcome(Verdict.FAILED, reason, reached_provider=False))
