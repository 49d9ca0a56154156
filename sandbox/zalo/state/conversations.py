"""Messages between the Official Account and people, their delivery and their price."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from contracts.base.times import vietnam_time
from sandbox.zalo.state.journal import Fact
from sandbox.zalo.state.people import FactHandler, People

PROMOTION = "PROMOTION"


@dataclass
class Message:
    """One message, in either direction."""

    id: str
    at: float
    user_id: str  # empty: a phone without a person in the sandbox
    from_oa: bool
    sort: str  # text, template; from people also image, file, sticker, ...
    content: dict[str, Any]
    price: int = 0
    quota: str = ""
    phone: str = ""
    template_id: str = ""
    tag: str = ""
    tracking_id: str = ""
    via: str = ""
    delivered: float | None = None
    seen: float | None = None
    feedback: dict[str, Any] = field(default_factory=dict)


class Conversations:
    """All messages, and the balance that pays for delivered ones."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.messages: dict[str, Message] = {}
        self.in_transit: dict[str, Message] = {}
        self.sent: Counter[tuple[str, ...]] = Counter()
        self.balance = 1_000_000
        self.handlers: dict[str, FactHandler] = {
            "wrote": self.write,
            "cs_sent": self.send,
            "template_sent": self.send,
            "message_delivered": self.deliver,
            "message_read": self.read,
            "feedback_given": self.rate,
            "balance_set": self.set_balance,
        }

    def write(self, fact: Fact, at: float) -> None:
        """A person wrote to the Official Account."""
        self.people.interact(fact, at)
        message = Message(fact["id"], at, fact["user_id"], False, fact["sort"], fact["content"])
        self.messages[message.id] = message

    def send(self, fact: Fact, at: float) -> None:
        message = Message(at=at, from_oa=True, **_known_fields(fact["message"]))
        self.messages[message.id] = self.in_transit[message.id] = message
        self.sent.update(_quota_keys(message))

    def deliver(self, fact: Fact, at: float) -> None:
        """The message arrived; only now it is paid for."""
        message = self.in_transit.pop(fact["id"])
        message.delivered = at
        self.balance -= message.price

    def read(self, fact: Fact, at: float) -> None:
        for id in fact["ids"]:
            self.messages[id].seen = at

    def rate(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.messages[fact["id"]].feedback = fact["feedback"]

    def set_balance(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.balance = fact.get("balance", self.balance)

    def available_balance(self) -> int:
        """The balance, less the price of messages in transit."""
        return self.balance - sum(message.price for message in self.in_transit.values())

    def messages_with(self, user_id: str) -> list[Message]:
        return [message for message in self.messages.values() if message.user_id == user_id]


def _known_fields(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message; those of an older sandbox that no longer exist are ignored."""
    known = {field.name for field in fields(Message)}
    return {name: value for name, value in message.items() if name in known}


def _quota_keys(message: Message) -> list[tuple[str, ...]]:
    """The quotas that a message uses, each with its day or month in Vietnam."""
    day, month = f"{vietnam_time(message.at):%Y-%m-%d}", f"{vietnam_time(message.at):%Y-%m}"
    if message.via != "phone":
        return [(message.quota, message.user_id)]
    templates = [("template", day), ("template", message.template_id, day)]
    promotions = [("promotion", month)] if message.tag == PROMOTION else []
    return [*templates, *promotions]
