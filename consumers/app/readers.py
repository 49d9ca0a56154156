"""Joins the parts between the readers' pages and their records."""

from functools import partial

from consumers.app.node import Node
from consumers.app.people import suppressions
from consumers.app.settings import LettersSettings, read
from consumers.readers.cap import Cap
from consumers.readers.farewells import Farewells
from consumers.readers.leaving import Leaving
from consumers.readers.letters import Letters
from consumers.readers.links import Links, Uses
from consumers.readers.office import Office
from consumers.readers.own import Own
from consumers.readers.people import People
from consumers.vault import KeyFile
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.pages.office import Doors

HEADS = ("dang-ky", "huy")


def leaving(bus: Bus, keys: KeyFile) -> Leaving:
    """How subscriptions end, by whatever door."""
    return Leaving.opened(bus, keys)


def post(node: Node) -> Letters:
    """Who sends letters; all processes share what strangers may cause in an hour."""
    people = People.opened(node.bus, node.keys)
    cap = Cap(node.bus, read(LettersSettings).per_hour, node.clock)
    return Letters(node.bus, node.notices, people, node.clock, cap)


def office(node: Node) -> Office:
    """What strangers may ask for, by whatever door."""
    people, letters = People.opened(node.bus, node.keys), post(node)
    links, uses = Links(node.keys.derive, node.clock), Uses(node.bus)
    lift = partial(suppressions(node.bus, node.keys).lift, ChannelName.EMAIL)
    return Office(people, letters, links, uses, lift, node.vocabulary, node.clock)


def doors(node: Node) -> Doors:
    """What the pages may ask for; farewells that a crash cut short are finished, too."""
    people, leave = People.opened(node.bus, node.keys), leaving(node.bus, node.keys)
    letters = post(node)
    links, uses = Links(node.keys.derive, node.clock), Uses(node.bus)
    suppressed = suppressions(node.bus, node.keys)
    lift = partial(suppressed.lift, ChannelName.EMAIL)
    stands = partial(suppressed.now, ChannelName.EMAIL)
    farewells = Farewells(people, letters, node.clock)
    node.tasks.append(farewells.run)
    words, clock = node.vocabulary, node.clock
    return Doors(
        office(node),
        Own(people, letters, links, uses, lift, farewells, words, clock, stands),
        leave,
        read(LettersSettings).per_hour,
    )
