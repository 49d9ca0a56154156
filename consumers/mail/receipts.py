"""What RECEIPTS holds about mail: facts, by row; never an address, never a word of a mail."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from contracts.base import ContentId

Code = Annotated[str, StringConstraints(pattern=r"^([245]\.[0-9]{1,3}\.[0-9]{1,3})?$")]


class Returned(BaseModel):
    """Something came back. Without a *place* its row is looked for by its Message-ID.

    *seals*: MACs of the addresses that it names; *final*: of the one that was tried at last.
    *guessed*: not by a standard report.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    returned: Literal["bounce", "delay", "complaint"]
    at: AwareDatetime
    place: str = ""
    message_id: Annotated[str, StringConstraints(pattern=r"^([a-z2-7]{32})?$")] = ""
    publication: str = ""  # <content_id>.<revision>
    code: Code = ""
    guessed: bool = False
    seals: tuple[str, ...] = ()
    final: str = ""


class Refused(BaseModel):
    """Rows of one batch that our own relay has refused for good: number → code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    content_id: ContentId
    revision: int
    batch: int
    at: AwareDatetime
    refused: dict[int, Code]


MailReceipt = Returned | Refused


def model_of(said: object) -> type[Returned] | type[Refused] | None:
    """Which of them *said* is meant to be."""
    if not isinstance(said, dict):
        return None
    return Returned if "returned" in said else Refused if "refused" in said else None
