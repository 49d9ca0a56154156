"""One person's dossier changed state: what the notice needs, and nothing of what the dossier says.

In backquotes: the name of a field in the ministry's systems.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from contracts import keys
from contracts.base.addresses import Email, Mobile, ZaloUserId
from contracts.base.fields import Contract, Count, Flag, HttpUrl, Instant, Line, Line150, Line250
from contracts.delivery import ChannelName

_CODE_PATTERN = r"^(?:\d{3}\.\d{2}\.\d{2}\.)?[A-Y]\d{2}(?:\.[0-9A-Z]+)*-\d{6}(?:\d{2})?-\d{4,7}$"
_UNIT_PATTERN = r"^(?:[A-Y]\d{2}(?:\.[0-9A-Z]+)*|\d{3}\.\d{2}\.\d{2}\.[A-Y]\d{2})$"
_OLD_UNIT = re.compile(r"000\.00\.00\.([A-Y]\d{2})")

ZALO_USER_PREFIX = "zalo:"
"""Before the id of a user of our Official Account, where an address is written."""

STATUS_NAMES = {
    1: "Mới đăng ký",
    2: "Được tiếp nhận",
    3: "Không được tiếp nhận",
    4: "Đang xử lý",
    5: "Yêu cầu bổ sung giấy tờ",
    6: "Yêu cầu nghĩa vụ tài chính",
    7: "Công dân yêu cầu rút hồ sơ",
    8: "Dừng xử lý",
    9: "Đã xử lý xong",
    10: "Đã trả kết quả",
}
"""The national names of the status codes."""

REQUIRED_FIELDS = {
    1: {"submitted_at"},
    2: {"received_at", "received_by", "due_at", "pickup"},
    3: {"reason"},
    4: {"received_at", "handled_by", "due_at"},
    5: {"documents", "documents_due_at"},
    6: {"fee", "payment_place"},
    8: {"reason"},
    9: {"pickup"},
}
"""Fields that a notice of each status must have."""
CONDITIONAL_FIELDS = tuple(sorted(set().union(*REQUIRED_FIELDS.values())))


def _current_unit_id(value: Any) -> Any:
    old = _OLD_UNIT.fullmatch(value) if isinstance(value, str) else None
    return old[1] if old else value


def _in_ascii(pattern: str) -> AfterValidator:
    """Refuse in a new event the digits of other scripts, which `\\d` of *pattern* takes here."""

    def check(value: str, info: ValidationInfo) -> str:
        is_new = isinstance(info.context, dict) and info.context.get("is_new")
        if is_new and not value.isascii():
            raise PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
        return value

    return AfterValidator(check)


CaseCode = Annotated[
    str, StringConstraints(pattern=_CODE_PATTERN, max_length=60), _in_ascii(_CODE_PATTERN)
]
ProcedureCode = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-Z]+(?:\.[0-9A-Z]+)*$", max_length=30)
]
UnitCode = Annotated[
    str,
    StringConstraints(pattern=_UNIT_PATTERN, max_length=35),
    _in_ascii(_UNIT_PATTERN),
    BeforeValidator(_current_unit_id),
]
CaseStatus = Annotated[int, Field(strict=True, ge=1, le=10)]
RequiredByStatus = Field(default=None, validate_default=True)
"""A field that some statuses require; see REQUIRED."""


class Contact(Contract):
    """Where the person wants to be told. It never enters a stream: the door moves it away first."""

    email: Email | None = None
    """The address for mail."""
    phone: Mobile | None = None
    """The mobile number that has Zalo."""
    zalo_user_id: ZaloUserId | None = None
    """The person's id with the ministry's Official Account."""
    consent: Flag
    """true: the person agreed to be told here; without it nothing is taken."""

    @field_validator("consent")
    @classmethod
    def _check_consent(cls, consent: bool) -> bool:
        if not consent:
            raise PydanticCustomError("no_consent", "no consent")
        return consent

    def address(self, channel: ChannelName) -> str:
        """Where *channel* reaches the person: on Zalo by phone, or as one of its own users."""
        if channel is ChannelName.EMAIL:
            return self.email or ""
        if channel is ChannelName.ZALO:
            user = f"{ZALO_USER_PREFIX}{self.zalo_user_id}" if self.zalo_user_id else ""
            return self.phone or user
        return ""

    @model_validator(mode="after")
    def _check_address(self) -> "Contact":
        if not (self.email or self.phone or self.zalo_user_id):
            raise PydanticCustomError("no_contact", "no address")
        return self


def _mask_name(name: str) -> str:
    """A person's name as a stream may hold it: `N*** V*** A***`. One with a star is masked."""
    return name if "*" in name else " ".join(f"{word[0]}***" for word in name.split())


def _add_required_fields(schema: dict[str, Any]) -> None:
    """The rules of REQUIRED in the words of JSON Schema."""
    schema["allOf"] = [
        {
            "if": {"properties": {"status": {"const": status}}, "required": ["status"]},
            "then": {
                "required": sorted(fields),
                "properties": {name: {"not": {"type": "null"}} for name in sorted(fields)},
            },
        }
        for status, fields in REQUIRED_FIELDS.items()
    ]


class CaseNotice(Contract):
    """Status of a dossier without its person's addresses: all that the bus ever holds."""

    model_config = ConfigDict(json_schema_extra=_add_required_fields)

    notice: Literal["status", "apology"] = "status"
    """`apology`: the result is late; it needs `new_due_at`."""
    case_code: CaseCode
    """`ma_ho_so`, as in G09.20-20260609-0092637."""
    procedure_code: ProcedureCode
    """`ma_tthc`."""
    procedure_name: Line
    """`ten_tthc`."""
    authority: Line250
    """`co_quan`: who decides."""
    receiving_unit: UnitCode
    """`don_vi_tiep_nhan`: the electronic id of the unit; the old form is rewritten."""
    status: CaseStatus
    """`trang_thai`: the national code, 1 to 10."""
    occurred_at: Instant
    """`thoi_diem_su_kien`: tells two steps to the same status apart."""
    applicant_name: Line150
    """`chu_ho_so`; a person's is stored masked."""
    applicant_kind: Literal["citizen", "business", "household"]
    """`loai_doi_tuong`: 0 is a citizen, 1 a business, 2 a household."""
    authorised_person: Line150 | None = None
    """`nguoi_duoc_uy_quyen`; stored masked."""
    submitted_at: Instant | None = RequiredByStatus
    """`thoi_diem_nop`; required for status 1."""
    received_at: Instant | None = RequiredByStatus
    """`thoi_diem_tiep_nhan`; required for 2 and 4."""
    received_by: Line150 | None = RequiredByStatus
    """`nguoi_tiep_nhan`, an official; required for 2."""
    handled_by: Line150 | None = RequiredByStatus
    """`nguoi_xu_ly`, an official; required for 4."""
    due_at: Instant | None = RequiredByStatus
    """`han_tra`; required for 2 and 4."""
    documents: tuple[Line250, ...] | None = Field(None, max_length=30, validate_default=True)
    """`giay_to_bo_sung`: what is missing; required for 5."""
    documents_due_at: Instant | None = RequiredByStatus
    """`han_bo_sung`; required for 5."""
    fee: Count | None = RequiredByStatus
    """`so_tien`, in đồng; required for 6."""
    payment_place: Line250 | None = RequiredByStatus
    """`noi_nop`; required for 6."""
    pickup: Line250 | None = RequiredByStatus
    """`noi_nhan`: where or how the result is handed over; required for 2 and 9."""
    reason: Line | None = RequiredByStatus
    """`ly_do`; required for 3 and 8."""
    new_due_at: Instant | None = RequiredByStatus
    """`ngay_hen_moi`; required for an apology."""
    detail_url: HttpUrl | None = None
    """`lien_ket`: where the person reads more."""

    @property
    def content_id(self) -> str:
        """The dossier's id on the bus; the code itself stays out of keys and subjects."""
        return keys.case_content_id(self.case_code)

    @field_validator(*CONDITIONAL_FIELDS)
    @classmethod
    def _check_required_fields(cls, value: Any, info: ValidationInfo) -> Any:
        status = info.data.get("status", 0)
        if value in (None, ()) and info.field_name in REQUIRED_FIELDS.get(status, ()):
            raise PydanticCustomError("required_for_status", "missing", {"status": status})
        return value

    @field_validator("new_due_at")
    @classmethod
    def _check_new_due_date(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("notice") == "apology":
            raise PydanticCustomError("required_for_apology", "missing")
        return value


class AcceptedNotice(CaseNotice):
    """A notice with the time at which its event was accepted; input of the channels."""

    accepted_at: Instant


class CaseUpdated(CaseNotice):
    """A dossier reached a status, or its result is late (`apology`, with a new date)."""

    contact: Contact
    """`kenh_nhan`: addresses, with consent; kept apart, and forgotten."""

    @property
    def masked_names(self) -> dict[str, str]:
        """Fields with names of persons, masked for storage."""
        names = {"authorised_person": self.authorised_person}
        if self.applicant_kind != "business":
            names["applicant_name"] = self.applicant_name
        return {field: _mask_name(name) for field, name in names.items() if name}
