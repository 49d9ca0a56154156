"""What a case notice says, in words: the same facts and names on every channel.

Names are Vietnamese, as the parameters of Zalo's templates are. Whoever reads them is a person:
dates are Vietnam's, money has its dots, text is in NFC.
"""

import string
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from contracts.case import REQUIRED, STATUS_NAMES, CaseNotice
from contracts.text import nfc
from contracts.vietnam import VIETNAM

APOLOGY = "apology"
KINDS = (*map(str, STATUS_NAMES), APOLOGY)
"""What a notice can be of: a status code, or an apology for a late result."""
LOOSE_ENDS = " .;,"
"""What a text that somebody typed may end with; our sentences have ends of their own."""


def kind(notice: CaseNotice) -> str:
    """One of KINDS."""
    return APOLOGY if notice.notice == "apology" else str(notice.status)


def date(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%d/%m/%Y}"


def moment(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"


def in_a_sentence(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def money(dong: int) -> str:
    return f"{dong:,}".replace(",", ".")


def typed(text: str) -> str:
    """A text that somebody typed, to stand inside a sentence."""
    return text.rstrip(LOOSE_ENDS) or text


def spoken_to(applicant: str) -> str:
    """How a citizen, a business or a household is addressed in the middle of a sentence."""
    return str(catalogue()["applicant"][applicant])


def listed(documents: tuple[str, ...]) -> str:
    return "; ".join(map(typed, documents))


PARAMETERS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "ma_ho_so": ("case_code", str),
    "ma_thu_tuc": ("procedure_code", str),
    "ten_thu_tuc": ("procedure_name", typed),
    "co_quan": ("authority", typed),
    "don_vi_tiep_nhan": ("receiving_unit", str),
    "trang_thai": ("status", STATUS_NAMES.__getitem__),
    "thoi_diem": ("occurred_at", moment),
    "ho_ten": ("applicant_name", typed),
    "nguoi_nop": ("applicant_kind", spoken_to),
    "nguoi_duoc_uy_quyen": ("authorised_person", typed),
    "thoi_diem_nop": ("submitted_at", moment),
    "ngay_tiep_nhan": ("received_at", date),
    "nguoi_tiep_nhan": ("received_by", typed),
    "nguoi_xu_ly": ("handled_by", typed),
    "ngay_hen_tra": ("due_at", date),
    "ngay_hen_moi": ("new_due_at", date),
    "giay_to": ("documents", listed),
    "han_bo_sung": ("documents_due_at", date),
    "so_tien": ("fee", money),
    "noi_nop": ("payment_place", typed),
    "noi_nhan": ("pickup", typed),
    "ly_do": ("reason", typed),
    "lien_ket": ("detail_url", str),
}
"""Parameter → the notice's field, and how it is said."""

FREE_TEXT = frozenset(name for name, (_, say) in PARAMETERS.items() if say in (typed, listed))
"""What may be cut where there is little room; a code, a date or a sum would say something else."""

MONEY = frozenset(name for name, (_, say) in PARAMETERS.items() if say is money)
"""What is a number of đồng, with dots for people."""


def values(notice: CaseNotice) -> dict[str, str]:
    """Everything that *notice* can say, by parameter; what it does not say is left out."""
    found = {name: (getattr(notice, field), say) for name, (field, say) in PARAMETERS.items()}
    return {name: nfc(say(one)) for name, (one, say) in found.items() if one not in (None, ())}


def certain(of: str) -> frozenset[str]:
    """The parameters that every notice of kind *of* has a value for."""
    always = {name for name, field in CaseNotice.model_fields.items() if field.is_required()}
    needed = {"new_due_at"} if of == APOLOGY else REQUIRED.get(int(of), set())
    fields = always | needed
    return frozenset(name for name, (field, _) in PARAMETERS.items() if field in fields)


def subject(notice: CaseNotice) -> str:
    """One line that names the dossier and what happened."""
    return str(told(notice)["subject"]).format_map(values(notice))


def paragraphs(notice: CaseNotice) -> list[str]:
    """The whole text, greeting included; the way to more only where the notice has no link."""
    known, greeting = values(notice) | moments(notice), catalogue()["greeting"]
    closing = [] if notice.detail_url else [catalogue()["closing"]["without_link"]]
    texts = (greeting[notice.applicant_kind], *told(notice)["paragraphs"], *closing)
    return [text.format_map(known) for text in texts if known.keys() >= set(blanks(text))]


def moments(notice: CaseNotice) -> dict[str, str]:
    """The moments that *notice* knows, as a sentence says them; a template's blank is shorter."""
    fields = {name: field for name, (field, say) in PARAMETERS.items() if say is moment}
    found = {name: getattr(notice, field) for name, field in fields.items()}
    return {name: in_a_sentence(at) for name, at in found.items() if at}


def told(notice: CaseNotice) -> Mapping[str, Any]:
    found: Mapping[str, Any] = catalogue()["kind"][kind(notice)]
    return found


def blanks(text: str) -> Iterator[str]:
    """The names in *text*."""
    return (name for _, name, _, _ in string.Formatter().parse(text) if name)


@cache
def catalogue() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
