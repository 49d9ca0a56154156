"""Mail to staff about items on the desk: title, unit, state and deadline, nothing of the body."""

from collections.abc import Mapping, Sequence
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.message import (
    TEMPLATES,
    Facts,
    LinkItem,
    LinkLists,
    MailContent,
)
from channels.email.render.parts import paragraphs_html
from contracts.base.times import format_date
from contracts.catalog import load_texts
from contracts.desk.staff_mail import StaffMailLine
from contracts.subscriptions.transactional import TransactionalMail
from contracts.text.moments import format_moment_in_sentence
from contracts.vocabulary import REJECTIONS, Vocabulary

_ITEM_PATH, _ACCOUNT_PATH = "/tin/{content_id}", "/tai-khoan"
_TEXTS = TEMPLATES / "staff.toml"
_MOST_SHOWN = 100


def staff_content(mail: TransactionalMail, context: MailContext) -> MailContent:
    """The mail about one item, or a morning's about several."""
    if len(mail.lines) > 1:
        return _morning_content(mail, context)
    [line] = mail.lines
    words, texts = _line_texts(line), load_texts(_TEXTS)
    return MailContent(
        subject=words["subject"].format(title=line.title),
        title=line.title,
        date=mail.at,
        url=_item_url(mail, line),
        intro=_says(line),
        facts=_facts(line, context.vocabulary),
        button=texts["button"],
    )


def _morning_content(mail: TransactionalMail, context: MailContext) -> MailContent:
    """Items grouped by the kind of news about them; beyond a limit, items are only counted."""
    words, count = load_texts(_TEXTS)["morning"], len(mail.lines)
    shown, rest = mail.lines[:_MOST_SHOWN], count - _MOST_SHOWN
    values = {"count": count, "day": format_date(mail.at), "rest": rest}
    more = [words["more"].format_map(values)] if rest > 0 else []
    return MailContent(
        subject=words["subject"].format_map(values),
        title=words["title"].format_map(values),
        date=mail.at,
        url=mail.desk_url,
        intro=words["intro"].format_map(values),
        lists=_groups(mail, shown, context.vocabulary) if mail.desk_url else (),
        html=paragraphs_html(more if mail.desk_url else _plain_lines(shown, context.vocabulary)),
        plain="\n\n".join(more if mail.desk_url else _plain_lines(shown, context.vocabulary)),
        button=words["button"],
    )


def _groups(
    mail: TransactionalMail, lines: Sequence[StaffMailLine], vocabulary: Vocabulary
) -> LinkLists:
    """Links to the items, grouped by the kind of news."""
    groups: dict[str, list[LinkItem]] = {}
    for line in lines:
        item = LinkItem(line.title, _item_url(mail, line), _about(line, vocabulary))
        groups.setdefault(str(_line_texts(line)["group"]), []).append(item)
    return tuple(groups.items())


def _about(line: StaffMailLine, vocabulary: Vocabulary) -> str:
    """Unit, state, deadline and reason behind a title."""
    return "; ".join(["", *(f"{label}: {value}" for label, value in _facts(line, vocabulary))])


def _plain_lines(lines: Sequence[StaffMailLine], vocabulary: Vocabulary) -> list[str]:
    return [line.title + _about(line, vocabulary) for line in lines]


def _item_url(mail: TransactionalMail, line: StaffMailLine) -> str:
    path = _ITEM_PATH.format(content_id=line.content_id)
    return f"{mail.desk_url}{path}" if mail.desk_url else ""


def _says(line: StaffMailLine) -> str:
    """The sentence of a mail about one item."""
    values = {"missed": line.missed, "expected": line.expected, "begins": _begins(line)}
    values |= {"withdrawn": line.withdrawn}
    return str(_line_texts(line)["says"].format_map(values))


def _begins(line: StaffMailLine) -> str:
    return format_moment_in_sentence(line.begins) if line.begins else ""


def staff_closing(mail: TransactionalMail, context: MailContext) -> str:
    """The foot: why it came, and where that is changed."""
    texts = load_texts(_TEXTS)
    closing = texts["closing" if mail.desk_url else "closing_unknown"]
    account = f"{mail.desk_url}{_ACCOUNT_PATH}"
    return str(closing.format(agency=context.agency, account=account))


def _line_texts(line: StaffMailLine) -> Mapping[str, Any]:
    """The catalogue's words for what a line tells."""
    words: Mapping[str, Any] = load_texts(_TEXTS)["kind"][line.kind]
    step = "later" if line.begins and "later" in words else line.step
    return words[step] if step else words


def _facts(line: StaffMailLine, vocabulary: Vocabulary) -> Facts:
    """Unit, state, deadline and reason, as far as they are known."""
    labels, code = load_texts(_TEXTS)["fact"], REJECTIONS.get(line.code, {}).get("vi", "")
    facts = {
        "unit": _unit_name(line, vocabulary),
        "state": str(_line_texts(line)["state"]).format(begins=_begins(line)),
        "due": format_moment_in_sentence(line.due) if line.due else "",
        "reason": ". ".join(filter(None, (code, line.reason))),
    }
    return tuple((labels[name], value) for name, value in facts.items() if value)


def _unit_name(line: StaffMailLine, vocabulary: Vocabulary) -> str:
    unit = vocabulary.units.get(line.unit)
    return unit.name if unit else line.unit
