"""Mail to staff about items on the desk: title, unit, state and deadline, nothing of the body."""

from collections.abc import Mapping
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.message import TEMPLATES, Facts, MailContent
from contracts.catalog import load_texts
from contracts.desk.staff_mail import StaffMailLine
from contracts.subscriptions.transactional import TransactionalMail
from contracts.text.moments import format_moment_in_sentence
from contracts.vocabulary import REJECTIONS, Vocabulary

_ITEM_PATH, _ACCOUNT_PATH = "/tin/{content_id}", "/tai-khoan"
_TEXTS = TEMPLATES / "staff.toml"


def staff_content(mail: TransactionalMail, context: MailContext) -> MailContent:
    """The mail about one item."""
    [line] = mail.lines
    words, texts = _line_texts(line), load_texts(_TEXTS)
    values = {"title": line.title, "missed": line.missed, "expected": line.expected}
    says, path = words["says"].format_map(values), _ITEM_PATH.format(content_id=line.content_id)
    return MailContent(
        subject=words["subject"].format_map(values),
        title=line.title,
        date=mail.at,
        url=f"{mail.desk_url}{path}" if mail.desk_url else "",
        intro=says,
        facts=_facts(line, context.vocabulary, words["state"]),
        button=texts["button"],
    )


def staff_closing(mail: TransactionalMail, context: MailContext) -> str:
    """The foot: why it came, and where that is changed."""
    texts = load_texts(_TEXTS)
    closing = texts["closing" if mail.desk_url else "closing_unknown"]
    account = f"{mail.desk_url}{_ACCOUNT_PATH}"
    return str(closing.format(agency=context.agency, account=account))


def _line_texts(line: StaffMailLine) -> Mapping[str, Any]:
    """The catalogue's words for what a line tells."""
    words: Mapping[str, Any] = load_texts(_TEXTS)["kind"][line.kind]
    return words[line.step] if line.step else words


def _facts(line: StaffMailLine, vocabulary: Vocabulary, state: str) -> Facts:
    labels = load_texts(_TEXTS)["fact"]
    due = format_moment_in_sentence(line.due) if line.due else ""
    facts = {"unit": _unit_name(line, vocabulary), "state": state, "due": due}
    reason = ". ".join(filter(None, (REJECTIONS.get(line.code, {}).get("vi", ""), line.reason)))
    return tuple(
        (labels[name], value) for name, value in {**facts, "reason": reason}.items() if value
    )


def _unit_name(line: StaffMailLine, vocabulary: Vocabulary) -> str:
    unit = vocabulary.units.get(line.unit)
    return unit.name if unit else line.unit
