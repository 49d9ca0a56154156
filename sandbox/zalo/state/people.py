"""People who follow the Official Account, or have written to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sandbox.zalo.state.journal import Fact
from sandbox.zalo.texts import DEFAULT_NAME

FactHandler = Callable[[Fact, float], None]


@dataclass
class Person:
    """One Zalo user as the Official Account knows them, and Zalo's treatment of them."""

    user_id: str
    name: str = DEFAULT_NAME
    phone: str = ""
    follower: bool = True
    last_interaction: float | None = None
    gender: int | None = None
    age: int | None = None
    city: int | None = None
    on_mobile: bool = True  # only phones send receipts
    online: bool = True  # otherwise messages wait
    message_code: int = 0  # error of messages to this person
    template_code: int = 0  # error of template messages by phone
    alias: str = ""
    shared: dict[str, Any] = field(default_factory=dict)
    withdrawn: bool = False
    changed: float = 0.0  # when it was last set

    @property
    def user_id_by_app(self) -> str:
        return str(int(sha256(f"app {self.user_id}".encode()).hexdigest()[:15], 16))


class People:
    """All people by id, in the order of their creation."""

    def __init__(self) -> None:
        self.by_id: dict[str, Person] = {}
        self.handlers: dict[str, FactHandler] = {
            "person_set": self.set_person,
            "followed": self.follow,
            "unfollowed": self.unfollow,
            "tapped": self.interact,
            "withdrew": self.withdraw,
            "info_deleted": self.forget,
        }

    def set_person(self, fact: Fact, at: float) -> None:
        """Create or change a person."""
        changes = fact["person"]
        person = self.by_id.setdefault(changes["user_id"], Person(changes["user_id"]))
        for name, value in changes.items():
            setattr(person, name, value)
        person.changed = at

    def follow(self, fact: Fact, at: float) -> None:
        self.by_id[fact["user_id"]].follower = True
        self.interact(fact, at)

    def unfollow(self, fact: Fact, at: float) -> None:  # noqa: ARG002 -- a move
        self.by_id[fact["user_id"]].follower = False

    def interact(self, fact: Fact, at: float) -> None:
        """An interaction, which opens the message windows anew."""
        self.by_id[fact["user_id"]].last_interaction = at

    def withdraw(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.by_id[fact["user_id"]].withdrawn = True

    def forget(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        """Erase the Official Account's own notes about a person; Zalo's profile stays."""
        person = self.by_id[fact["user_id"]]
        person.alias, person.shared = "", {}

    def followers(self) -> list[Person]:
        return [person for person in self.by_id.values() if person.follower]

    def with_phone(self, phone: str) -> Person | None:
        return next(
            (person for person in self.by_id.values() if phone and person.phone == phone), None
        )
