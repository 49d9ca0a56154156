"""Texts of an account's probe for people: what is missing, and the words of its counts."""

import re
from typing import NamedTuple

from channels.zalo import error_codes
from channels.zalo.account.status import Finding
from consumers.messages import load_catalog, translate
from contracts.errors import Bilingual

_NOTICES = re.compile(r"(notices) (.+)")
_TEMPLATE = re.compile(r"(template) (.+) is (.+)")
_USAGE = re.compile(r"(\d+) of (.+)")
_TRY_AGAIN = Bilingual(
    "try again; if it stays, ask Zalo", "hãy thử lại; nếu vẫn vậy, đề nghị Zalo kiểm tra"
)


class MissingTexts(NamedTuple):
    """A failure, Zalo's reason and the remedy, in both languages."""

    task: Bilingual
    why: Bilingual
    fix: Bilingual


def missing_texts(finding: Finding) -> MissingTexts:
    """The texts of a problem that a probe has found."""
    words = load_catalog("zalo_account")
    notices, template = _NOTICES.fullmatch(finding.task), _TEMPLATE.fullmatch(finding.reason)
    task = words["tasks"].get(finding.task, finding.task)
    why = words["reasons"].get(finding.reason) or translate(finding.reason).vi
    if notices:
        task = f"{words['tasks'][notices[1]]} {notices[2]}"
    if template:
        why = f"{words['reasons'][template[1]]} {template[2]}: {template[3]}"
    fix = error_codes.bilingual_fix(finding.fix) if finding.fix else _TRY_AGAIN
    return MissingTexts(Bilingual(finding.task, task), Bilingual(finding.reason, why), fix)


def label(name: str) -> Bilingual:
    """The name of a value; what Zalo itself has named stays as it is."""
    labels = load_catalog("zalo_account")["labels"]
    head, mark, rest = name.partition(": ")
    vi = labels.get(name) or f"{labels.get(head, head)}{mark}{rest}"
    return Bilingual(name.replace("_", " "), vi)


def usage(value: object) -> object | Bilingual:
    """A count and its limit in both languages; another value as it is."""
    limits = load_catalog("zalo_account")["limits"]
    if used := _USAGE.fullmatch(str(value)):
        return Bilingual(str(value), f"{used[1]} trên {limits.get(used[2], used[2])}")
    return Bilingual(value, limits[value]) if isinstance(value, str) and value in limits else value
