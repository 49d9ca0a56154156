"""Findings of the doctor: a code of `doctor.toml` with its level, meaning and remedy."""

from pydantic import BaseModel

from channels.email.doctor.finding import Level
from consumers.messages import load_catalog
from contracts.errors import Bilingual, ContractError, localized


class DoctorFinding(BaseModel):
    """One checked fact; `remedy` is empty where nothing is to be done."""

    check: str
    code: str
    level: Level
    message: str
    message_vi: str
    remedy: str = ""
    remedy_vi: str = ""


def new_finding(code: str, /, **values: object) -> DoctorFinding:
    """The finding of *code*, whose first word is the check. Raises KeyError for an unknown one."""
    texts, check = load_catalog("doctor")[code], code.partition("_")[0]
    said = localized(check, texts, **values)
    todo = localized(check, {"en": texts.get("do_en", ""), "vi": texts.get("do_vi", "")}, **values)
    return DoctorFinding(
        check=check,
        code=code,
        level=Level(texts["level"]),
        message=said.message,
        message_vi=said.message_vi,
        remedy=todo.message,
        remedy_vi=todo.message_vi,
    )


def silent(check: str, seconds: float) -> DoctorFinding:
    """The finding of a check whose neighbour gave no answer in time."""
    return _finding_of(check, "silent", check=check, seconds=round(seconds))


def failed(check: str, error: Exception) -> DoctorFinding:
    """The finding of a check that an error has ended."""
    return _finding_of(check, "failed", why=f"{type(error).__name__} {error}".strip())


def unusable(check: str, wrong: ContractError) -> list[DoctorFinding]:
    """A finding for each setting that a check needs and can't use."""
    return [
        _finding_of(
            check,
            "unusable",
            why=Bilingual(f"{one.field}: {one.message}", f"{one.field}: {one.message_vi}"),
        )
        for one in wrong.errors
    ]


def _finding_of(check: str, code: str, /, **values: object) -> DoctorFinding:
    """A finding that any check may have."""
    return new_finding(code, **values).model_copy(update={"check": check})
