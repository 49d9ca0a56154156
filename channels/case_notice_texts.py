"""Texts of case notices: the same facts and parameter names on every channel.

Names are Vietnamese, as the parameters of Zalo's templates are. Values are for people: dates in
Vietnam's time, money with thousands dots, text in NFC.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from contracts.base.times import format_date
from contracts.case import REQUIRED_FIELDS, STATUS_NAMES, CaseNotice
from contracts.catalog import load_texts
from contracts.text import nfc
from contracts.text.moments import VIETNAM, format_moment_in_sentence

APOLOGY = "apology"
NOTICE_KINDS = (*map(str, STATUS_NAMES), APOLOGY)
"""Kinds of notices: a status code, or an apology for a late result."""
_TRAILING_PUNCTUATION = " .;,"
"""Punctuation at the end of typed texts; our sentences have their own."""


def notice_kind(notice: CaseNotice) -> str:
    """The notice's kind, one of NOTICE_KINDS."""
    return APOLOGY if notice.notice == "apology" else str(notice.status)


def _format_moment(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"


def _format_money(dong: int) -> str:
    return f"{dong:,}".replace(",", ".")


def _without_trailing_punctuation(text: str) -> str:
    """Text that a person typed, to be used inside a sentence."""
    return text.rstrip(_TRAILING_PUNCTUATION) or text


def _procedure(name: str) -> str:
    """A procedure's name behind "Thủ tục:", which it does not repeat."""
    opening = str(catalog()["around"]["procedure"])
    bare = name[len(opening) :] if name.casefold().startswith(opening.casefold()) else name
    return _without_trailing_punctuation(bare[:1].upper() + bare[1:])


def _applicant_address_form(applicant: str) -> str:
    """Form of address of a citizen, a business or a household inside a sentence."""
    return str(catalog()["applicant"][applicant])


def _salutation(applicant: str) -> str:
    """The same behind "Kính gửi"."""
    return str(catalog()["salutation"][applicant])


def _join_documents(documents: tuple[str, ...]) -> str:
    return "; ".join(map(_without_trailing_punctuation, documents))


PARAMETERS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "ma_ho_so": ("case_code", str),
    "ma_thu_tuc": ("procedure_code", str),
    "ten_thu_tuc": ("procedure_name", _procedure),
    "co_quan": ("authority", _without_trailing_punctuation),
    "don_vi_tiep_nhan": ("receiving_unit", str),
    "trang_thai": ("status", STATUS_NAMES.__getitem__),
    "thoi_diem": ("occurred_at", _format_moment),
    "ho_ten": ("applicant_name", _without_trailing_punctuation),
    "nguoi_nop": ("applicant_kind", _applicant_address_form),
    "kinh_gui": ("applicant_kind", _salutation),
    "nguoi_duoc_uy_quyen": ("authorised_person", _without_trailing_punctuation),
    "thoi_diem_nop": ("submitted_at", _format_moment),
    "ngay_tiep_nhan": ("received_at", format_date),
    "nguoi_tiep_nhan": ("received_by", _without_trailing_punctuation),
    "nguoi_xu_ly": ("handled_by", _without_trailing_punctuation),
    "ngay_hen_tra": ("due_at", format_date),
    "ngay_hen_moi": ("new_due_at", format_date),
    "giay_to": ("documents", _join_documents),
    "han_bo_sung": ("documents_due_at", format_date),
    "so_tien": ("fee", _format_money),
    "noi_nop": ("payment_place", _without_trailing_punctuation),
    "noi_nhan": ("pickup", _without_trailing_punctuation),
    "ly_do": ("reason", _without_trailing_punctuation),
    "lien_ket": ("detail_url", str),
}
"""Parameter → the notice's field and its format."""

FREE_TEXT_PARAMETERS = frozenset(
    name
    for name, (_, say) in PARAMETERS.items()
    if say in (_without_trailing_punctuation, _procedure, _join_documents)
)
"""Parameters that may be cut to fit; a code, a date or a sum would change its meaning."""

MONEY_PARAMETERS = frozenset(name for name, (_, say) in PARAMETERS.items() if say is _format_money)
"""Amounts in đồng, with dots."""


def parameter_values(notice: CaseNotice) -> dict[str, str]:
    """Values of all parameters that *notice* has."""
    pairs = {key: (getattr(notice, field), say) for key, (field, say) in PARAMETERS.items()}
    return {key: nfc(say(value)) for key, (value, say) in pairs.items() if value not in (None, ())}


def guaranteed_parameters(kind: str) -> frozenset[str]:
    """Parameters that every notice of *kind* has a value for."""
    always = {name for name, field in CaseNotice.model_fields.items() if field.is_required()}
    needed = {"new_due_at"} if kind == APOLOGY else REQUIRED_FIELDS.get(int(kind), set())
    fields = always | needed
    return frozenset(name for name, (field, _) in PARAMETERS.items() if field in fields)


def subject(notice: CaseNotice) -> str:
    """Subject line: the dossier and its new state."""
    return str(_texts_of_kind(notice)["subject"]).format_map(parameter_values(notice))


class NoticeText(NamedTuple):
    """The words of one notice, in the order in which a mail shows them."""

    greeting: Sequence[str]
    paragraphs: Sequence[str]
    warning: str
    """Against fraud; empty where no money is asked for."""
    facts: Sequence[tuple[str, str]]
    closing: Sequence[str]


def notice_text(notice: CaseNotice) -> NoticeText:
    """The words of *notice*; one without a link ends with a hint where to read more."""
    values, texts = parameter_values(notice) | _sentence_moments(notice), _texts_of_kind(notice)
    around, labels = catalog()["around"], catalog()["label"]
    masked = [around["masked"]] if "*" in notice.applicant_name else []
    hint = [] if notice.detail_url else [around["without_link"]]
    return NoticeText(
        greeting=_fill([around["greeting"], *masked], values),
        paragraphs=_fill(texts["paragraphs"], values),
        warning="".join(_fill([texts.get("warning", "")], values)),
        facts=[(labels[name], values[name]) for name in texts["facts"] if name in values],
        closing=_fill([*texts.get("closing", ()), *hint], values),
    )


def _fill(texts: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """*texts* with their values; a text of which a value is missing is left out."""
    named = {text: {name for _, name, *_ in string.Formatter().parse(text)} for text in texts}
    return [text.format_map(values) for text in texts if values.keys() >= named[text] - {None}]


def _sentence_moments(notice: CaseNotice) -> dict[str, str]:
    """Points in time of *notice* in the long form of sentences; templates use a shorter one."""
    fields = {name: field for name, (field, say) in PARAMETERS.items() if say is _format_moment}
    moments = {name: getattr(notice, field) for name, field in fields.items()}
    return {name: format_moment_in_sentence(at) for name, at in moments.items() if at}


def _texts_of_kind(notice: CaseNotice) -> Mapping[str, Any]:
    texts: Mapping[str, Any] = catalog()["kind"][notice_kind(notice)]
    return texts


def catalog() -> dict[str, Any]:
    return load_texts(Path(__file__).with_suffix(".toml"))
