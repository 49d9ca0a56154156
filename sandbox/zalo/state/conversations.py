"""Messages between the Official Account and people, their delivery and their price."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from channels.zalo.client.clock import vietnam_time
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
    development: bool = False
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
        self.development_balance = 100_000
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
        message = Message(at=at, from_oa=True, **fact["message"])
        self.messages[message.id] = self.in_transit[message.id] = message
        self.sent.update(_quota_keys(message))

    def deliver(self, fact: Fact, at: float) -> None:
        """The message arrived; only now it is paid for."""
        message = self.in_transit.pop(fact["id"])
        message.delivered = at
        if message.development:
            self.development_balance -= message.price
        else:
            self.balance -= message.price

    def read(self, fact: Fact, at: float) -> None:
        for id in fact["ids"]:
            self.messages[id].seen = at

    def rate(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.messages[fact["id"]].feedback = fact["feedback"]

    def set_balance(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.balance = fact.get("balance", self.balance)
        self.development_balance = fact.get("development", self.development_balance)

    def available_balance(self, development: bool = False) -> int:
        """The balance, less the price of messages in transit."""
        balance = self.development_balance if development else self.balance
        return balance - sum(
            message.price
            for message in self.in_transit.values()
            if message.development is development
        )

    def messages_with(self, user_id: str) -> list[Message]:
        return [message for message in self.messages.values() if message.user_id == user_id]


def _quota_keys(message: Message) -> list[tuple[str, ...]]:
    """The quotas that a message uses, each with its day or month in Vietnam."""
    day, month = f"{vietnam_time(message.at):%Y-%m-%d}", f"{vietnam_time(message.at):%Y-%m}"
    counts: list[tuple[str, ...]] = [(message.quota, message.user_id), (message.quota, month)]
    if message.via != "phone" or message.development:
        return counts
    counts += [("template", day), ("template", message.template_id, day)]
    if message.tag == PROMOTION:
        counts += [("promotion", month)]
        counts += [("promotion", message.phone, span) for span in (day, month)]
    return counts
