"""Receipts about mail on the stream RECEIPTS: facts per row, without addresses or mail text."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from contracts.base.fields import ContentId

StatusCode = Annotated[str, StringConstraints(pattern=r"^([245]\.[0-9]{1,3}\.[0-9]{1,3})?$")]


class ReturnedMail(BaseModel):
    """A returned mail. Without a *place* its row is found by its Message-ID.

    *seals*: keyed hashes of the reported addresses; *final*: of the final one. *guessed*: not from
    a standard report.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    returned: Literal["bounce", "delay", "complaint"]
    at: AwareDatetime
    place: str = ""
    message_id: Annotated[str, StringConstraints(pattern=r"^([a-z2-7]{32})?$")] = ""
    publication: str = ""  # <content_id>.<revision>
    code: StatusCode = ""
    guessed: bool = False
    seals: tuple[str, ...] = ()
    final: str = ""


class RelayRefusal(BaseModel):
    """Rows of one batch that our own relay has refused for good: row number → code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    content_id: ContentId
    revision: int
    batch: int
    at: AwareDatetime
    refused: dict[int, StatusCode]


MailReceipt = ReturnedMail | RelayRefusal


def receipt_model(body: object) -> type[ReturnedMail] | type[RelayRefusal] | None:
    """Return the model of a receipt's JSON; None if it is not about mail."""
    if not isinstance(body, dict):
        return None
    return ReturnedMail if "returned" in body else RelayRefusal if "refused" in body else None
