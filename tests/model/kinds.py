"""The kinds of receivers: what each can tell of a doubt, and what it refuses by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from channels.base import Outcome, Verdict
from consumers.audience import ARTICLE, BROADCAST
from contracts.delivery import ChannelName

if TYPE_CHECKING:
    from tests.model.receivers import Key, Receiver


@dataclass
class Kind:
    """A relay: it can't be asked, so a row in doubt is sent again."""

    channel: ChannelName
    window: int = 2
    connections: int = 2
    request_timeout_s: float = 20.0
    settle_s: float = 50.0
    people: bool = True  # one row per reader, and the newer text waits for the older
    local: bool = False  # answers always come
    knows_its_own: bool = False  # doing it twice is doing it once
    once: bool = False  # must not be repeated

    def refuses(self, receiver: "Receiver", key: "Key") -> Outcome | None:
        return None

    def resolve(self, receiver: "Receiver", key: "Key") -> Outcome:
        return Outcome(Verdict.RESEND)

    def at_most_once(self, key: "Key") -> bool:
        return self.once


@dataclass
class Once(Kind):
    """A paid message to one reader: nobody can look it up, and it is never repeated."""

    once: bool = True

    def resolve(self, receiver: "Receiver", key: "Key") -> Outcome:
        return Outcome(Verdict.UNKNOWN)


@dataclass
class Folder(Kind):
    """The portal: files of our own, which know what they show, and refuse what is older."""

    people: bool = False
    local: bool = True
    knows_its_own: bool = True

    def refuses(self, receiver: "Receiver", key: "Key") -> Outcome | None:
        if receiver.shown.get(key.content_id, 0) > key.revision:
            receiver.seen["a receiver refused an older text"] += 1
            return Outcome(Verdict.FAILED, "superseded_by_newer")
        return None

    def resolve(self, receiver: "Receiver", key: "Key") -> Outcome:
        return Outcome(Verdict.DELIVERED if receiver.effects.get(key) else Verdict.ABSENT)


@dataclass
class Account(Kind):
    """An Official Account: an article that can be looked up, and one broadcast that can't."""

    people: bool = False

    def refuses(self, receiver: "Receiver", key: "Key") -> Outcome | None:
        article = key._replace(recipient=ARTICLE)
        if article in receiver.refused:
            return Outcome(Verdict.FAILED, "the article was refused")
        if key.recipient == BROADCAST and not receiver.effects.get(article):
            return Outcome(Verdict.DEFERRED, "the article is not live", 15.0)
        return None

    def resolve(self, receiver: "Receiver", key: "Key") -> Outcome:
        """Not there counts only when no late effect can land any more."""
        if self.at_most_once(key):
            return Outcome(Verdict.UNKNOWN)
        if receiver.effects.get(key):
            return Outcome(Verdict.DELIVERED)
        rest_s = receiver.noted.get(key, -self.settle_s) + self.settle_s - receiver.loop.now
        return Outcome(Verdict.DOUBT, "", rest_s) if rest_s > 0 else Outcome(Verdict.ABSENT)

    def at_most_once(self, key: "Key") -> bool:
        return key.recipient == BROADCAST
