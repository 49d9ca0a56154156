"""The kinds of receivers: what each can tell of a doubt, and what it refuses by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from channels.base import Outcome, Verdict
from consumers.dispatch.audience import ARTICLE, BROADCAST
from contracts.delivery import ChannelName

if TYPE_CHECKING:
    from tests.deep.model.receivers import EffectKey, Receiver


@dataclass
class ReceiverKind:
    """A relay: it can't be asked, so a row in doubt is sent again."""

    channel: ChannelName
    window: int = 2
    connections: int = 2
    request_timeout_s: float = 20.0
    settle_s: float = 50.0
    has_recipients: bool = True  # one row per reader, and the newer text waits for the older
    is_local: bool = False  # answers always come
    detects_duplicates: bool = False  # doing it twice is doing it once
    is_never_repeated: bool = False  # must not be repeated

    def refuses(self, receiver: "Receiver", key: "EffectKey") -> Outcome | None:
        return None

    def resolve(self, receiver: "Receiver", key: "EffectKey") -> Outcome:
        return Outcome(Verdict.RESEND)

    def at_most_once(self, key: "EffectKey") -> bool:
        return self.is_never_repeated


@dataclass
class PaidMessage(ReceiverKind):
    """A paid message to one reader: nobody can look it up, and it is never repeated."""

    is_never_repeated: bool = True

    def resolve(self, receiver: "Receiver", key: "EffectKey") -> Outcome:
        return Outcome(Verdict.UNKNOWN)


@dataclass
class PortalFolder(ReceiverKind):
    """The portal: files of our own, which know what they show, and refuse what is older."""

    has_recipients: bool = False
    is_local: bool = True
    detects_duplicates: bool = True

    def refuses(self, receiver: "Receiver", key: "EffectKey") -> Outcome | None:
        if receiver.shown.get(key.content_id, 0) > key.revision:
            receiver.seen["a receiver refused an older text"] += 1
            return Outcome(Verdict.FAILED, "superseded_by_newer")
        return None

    def resolve(self, receiver: "Receiver", key: "EffectKey") -> Outcome:
        return Outcome(Verdict.DELIVERED if receiver.effects.get(key) else Verdict.ABSENT)


@dataclass
class OfficialAccountKind(ReceiverKind):
    """An Official Account: an article that can be looked up, and one broadcast that can't."""

    has_recipients: bool = False

    def refuses(self, receiver: "Receiver", key: "EffectKey") -> Outcome | None:
        article = key._replace(recipient=ARTICLE)
        if article in receiver.refused:
            return Outcome(Verdict.FAILED, "the article was refused")
        if key.recipient == BROADCAST and not receiver.effects.get(article):
            return Outcome(Verdict.DEFERRED, "the article is not live", 15.0)
        return None

    def resolve(self, receiver: "Receiver", key: "EffectKey") -> Outcome:
        """Not there counts only when no late effect can land any more."""
        if self.at_most_once(key):
            return Outcome(Verdict.UNKNOWN)
        if receiver.effects.get(key):
            return Outcome(Verdict.DELIVERED)
        rest_s = receiver.recorded.get(key, -self.settle_s) + self.settle_s - receiver.loop.now
        return Outcome(Verdict.DOUBT, "", rest_s) if rest_s > 0 else Outcome(Verdict.ABSENT)

    def at_most_once(self, key: "EffectKey") -> bool:
        return key.recipient == BROADCAST
