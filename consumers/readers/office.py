"""Subscribing, and the way to one's own subscription: whatever is asked for is answered by mail.

Known or not, an address gets one letter and the page says the same: who asks learns nothing. A
reader's goes to the address as they have it, however a stranger spells it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from pydantic_core import PydanticCustomError

from consumers.readers.letters import Letters, moment
from consumers.readers.links import Link, Links, Purpose, Uses, Whose, mark
from consumers.readers.people import NOBODY, People, new_id
from consumers.readers.wishes import LISTS, email, frequency, unknown
from contracts import errors, text
from contracts.errors import FieldError
from contracts.letter import Letter, LetterKind, NoLetterNow
from contracts.links import Application, LinkRefused, Why
from contracts.subscriber import Consent, Subscriber
from contracts.vocabulary import Vocabulary

log = structlog.get_logger()
NAME_MAX = 150
CONFIRM, OPEN, APPLY = "/dang-ky/xac-nhan/", "/dang-ky/quan-ly/", "/dang-ky"


def judged(asked: Application, words: Vocabulary) -> tuple[Application, list[FieldError]]:
    """What somebody asks for as it is kept, and everything that is wrong with it."""
    address, wrong = email(asked.email)
    rhythm, strange = frequency(asked.frequency)
    wishes = {name: tuple(sorted(set(getattr(asked, name)))) for name in LISTS}
    name, odd = line("name", asked.name)
    wrong += [*odd, *unknown(wishes, words), *strange]
    clean = {"email": address, "name": name, "frequency": rhythm, **wishes}
    return asked.model_copy(update=clean), wrong


def line(field: str, written: str) -> tuple[str, list[FieldError]]:
    """One line of text as it is kept; a bad one is empty and comes with its fault."""
    try:
        found = text.line(written)
    except PydanticCustomError as error:
        return "", [errors.fault(field, error.type, **(error.context or {}))]
    if len(found) > NAME_MAX:
        return "", [errors.fault(field, "string_too_long", max_length=NAME_MAX)]
    return found, []


Lift = Callable[[str], Awaitable[object]]
"""Whoever has opened a letter at an address is reached there, whatever stood against it."""


@dataclass
class Office:
    """What strangers may ask for. Raises BusError, and NoLetterNow for what a letter answers."""

    people: People
    letters: Letters
    links: Links
    uses: Uses
    lift: Lift
    vocabulary: Vocabulary
    clock: Callable[[], float]

    def judge(self, asked: Application) -> Sequence[FieldError]:
        return judged(asked, self.vocabulary)[1]

    async def apply(self, asked: Application) -> None:
        """Answer an application that `judge` finds good: by one letter, whoever it is for."""
        clean, _ = judged(asked, self.vocabulary)
        person = await self.people.by_address(clean.email)
        clean = clean.model_copy(update={"ip": self.people.hashed(asked.ip)})
        confirm, way_in = self.links.make(Purpose.CONFIRM, clean), self.way_in(clean.email, person)
        if person is not None and person.active:
            await self.write(LetterKind.MANAGE, person.email, OPEN, way_in)
        else:
            await self.write(LetterKind.CONFIRM, clean.email, CONFIRM, confirm)

    async def ask(self, address: str) -> Sequence[FieldError]:
        """Send the way to one's own subscription to an address, or that there is none."""
        clean, wrong = email(address)
        if wrong:
            return wrong
        person = await self.people.by_address(clean)
        link = self.way_in(clean, person)
        if person is not None and person.active:
            await self.write(LetterKind.MANAGE, person.email, OPEN, link)
        else:
            await self.write(LetterKind.ABSENT, clean, APPLY, link._replace(token=""))
        return []

    async def remind(self, address: str) -> None:
        """Send the way to their own subscription to a reader who has written to us.

        Anybody else gets nothing: their address may have been made up by somebody else. Nor does
        the reader in an hour of too many letters: nobody waits for an answer here.
        """
        clean, wrong = email(address)
        person = None if wrong else await self.people.by_address(clean)
        if person is not None and person.active:
            with suppress(NoLetterNow):
                await self.write(LetterKind.MANAGE, person.email, OPEN, self.way_in(clean, person))

    def way_in(self, address: str, person: Subscriber | None) -> Link:
        """A link is made for nobody, too: it takes as long."""
        whose = Whose(id=person.id if person else NOBODY, address=self.people.address(address))
        return self.links.make(Purpose.MANAGE, whose)

    async def write(self, kind: LetterKind, address: str, path: str, link: Link) -> None:
        now = moment(self.clock())
        await self.letters.send(
            Letter(kind=kind, address=address, path=path + link.token, at=now, expires_at=link.ends)
        )

    def pending(self, token: str) -> Application:
        """What a link in a letter asks to confirm. Raises LinkRefused."""
        return self.links.read(Purpose.CONFIRM, token, Application)

    async def confirm(self, token: str) -> None:
        """Make somebody a reader; pressed twice, it is done once. Raises LinkRefused."""
        asked = self.pending(token)
        person = await self.people.by_address(asked.email)
        proven = person and person.consent and person.consent.link == mark(token)
        if proven or await self.uses.by(token) is not None:
            if person is None or not person.active:
                raise LinkRefused(Why.USED)
            await self.uses.note(token)
            return
        now = moment(self.clock())
        consent = Consent(version=asked.version, at=now, ip=asked.ip, link=mark(token))
        id = new_id()
        await self.people.settle(asked.email, lambda found: joined(found, id, asked, consent))
        await self.uses.note(token)
        await self.lift(asked.email)
        log.info("reader_confirmed", consent=asked.version)

    async def enter(self, token: str, browser: str) -> str:
        """The session that a letter's link opens, in the one *browser* that opened it first.

        Raises LinkRefused.
        """
        whose = self.links.read(Purpose.MANAGE, token, Whose)
        await self.uses.take(token, browser)
        person = await self.people.reading(whose.id, whose.address)
        if person is None:
            raise LinkRefused(Why.USED)
        await self.lift(person.email)
        return self.links.make(Purpose.SESSION, whose).token

    async def check_way_in(self, token: str, browser: str) -> None:
        """Whether a link looks good to *browser*, without following it. Raises LinkRefused."""
        self.links.read(Purpose.MANAGE, token, Whose)
        await self.uses.check(token, browser)


def joined(found: Subscriber | None, id: str, asked: Application, consent: Consent) -> Subscriber:
    """A reader, new or known, with the wishes that were confirmed."""
    wishes = {name: getattr(asked, name) for name in ("email", "name", *LISTS)}
    rhythm = frequency(asked.frequency)[0]
    own = {"consent": consent, "active": True, "left_at": None, "paused_until": None}
    if found is not None and found.active:
        return found.told(rhythm, consent.at).model_copy(update=wishes | own)
    return Subscriber(
        id=found.id if found else id,
        **wishes,
        frequency=rhythm,
        frequency_since=consent.at,
        consent=consent,
    )
