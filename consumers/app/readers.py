"""Joins the parts between the readers' pages and their records."""

from functools import partial

from consumers.app.node import Node
from consumers.app.people import suppressions
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


def doors(node: Node) -> Doors:
    """What the pages may ask for."""
    people, leave = People.opened(node.bus, node.keys), leaving(node.bus, node.keys)
    letters = Letters(node.bus, node.notices, people, node.clock)
    links, uses = Links(node.keys.derive, node.clock), Uses(node.bus, node.clock)
    words, clock = node.vocabulary, node.clock
    lift = partial(suppressions(node.bus, node.keys).lift, ChannelName.EMAIL)
    return Doors(
        Office(people, letters, links, uses, lift, words, clock),
        Own(people, letters, links, uses, leave, words, clock),
        leave,
    )
