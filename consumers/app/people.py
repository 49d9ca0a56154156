"""Joins the parts between Zalo's webhook and the people of the Official Account."""

import time
from datetime import timedelta
from http import HTTPStatus

import aiohttp
from starlette.types import ASGIApp

from channels.errors import Unreachable
from channels.zalo import webhook
from channels.zalo.census import Lists
from channels.zalo.channel import ZaloChannel
from channels.zalo.replies import Replies
from channels.zalo.signature import Signing
from channels.zalo.wording import words
from consumers.app.node import Node
from consumers.suppressions import Suppressions
from consumers.vault import BusVault, KeyFile
from consumers.zalo.erasure import Erasure
from consumers.zalo.followers import Followers
from consumers.zalo.greeting import Greeting
from consumers.zalo.hearing import Hearing
from consumers.zalo.people import People
from consumers.zalo.roll_call import RollCall
from consumers.zalo.silence import SilenceWatch
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus

AT_ONCE = 4
HEAD = "zalo"
SANDBOX_S = 5.0


def face(node: Node) -> ASGIApp:
    """The webhook of this process' application."""
    signing = Signing(
        node.zalo.app_id,
        node.zalo.oa_secret.get_secret_value(),
        node.zalo.app_secret.get_secret_value(),
    )
    return webhook.app(Hearing(node.bus).store, signing)


async def subscribe_sandbox(sandbox_url: str, own_url: str) -> None:
    """Have the stand-in tell us of its events, as an operator does in Zalo's console."""
    timeout = aiohttp.ClientTimeout(total=SANDBOX_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        address = {"url": f"{own_url}{webhook.PATH}"}
        async with http.post(f"{sandbox_url}/_sandbox/webhook", json=address) as answer:
            if answer.status != HTTPStatus.OK:
                raise Unreachable(f"the sandbox says {answer.status} to a webhook")


def attend(node: Node, channel: ZaloChannel) -> None:
    """Hear what Zalo tells of people, in the process that may speak to Zalo."""
    people = open_people(node, channel)
    consumer = next(
        one for one in subjects.RECEIPTS.consumers if one.durable == subjects.ZALO_PEOPLE
    )
    node.subscribe(subjects.RECEIPTS, consumer, people.on_event, AT_ONCE)
    app_id, limit = node.zalo.app_id, timedelta(hours=node.zalo.silent_after_h)
    node.tasks.append(open_roll_call(node.bus, node.keys, people.erasure.lists, app_id).run)
    node.tasks.append(SilenceWatch(node.bus, app_id, limit, node.clock).run)


def open_roll_call(bus: Bus, keys: KeyFile, lists: Lists, app_id: str) -> RollCall:
    return RollCall(bus, Followers(bus), suppressions(bus, keys), lists, app_id, time.time)


def open_people(node: Node, channel: ZaloChannel) -> People:
    followers, pauses = Followers(node.bus), node.pauses
    suppressed = suppressions(node.bus, node.keys)
    greeting = Greeting(
        node.bus,
        followers,
        open_replies(node, channel),
        words("reply", "text", portal=node.public_url, lookup=node.zalo.lookup_url).strip(),
        paused=lambda: ChannelName.ZALO in pauses.channels,
        clock=node.clock,
    )
    erasure = Erasure(node.bus, followers, suppressed, Lists(channel.api))
    templates = channel.notices.templates
    heard = templates.heard, templates.heard_quota
    return People(followers, suppressed, erasure, greeting, *heard)


def open_replies(node: Node, channel: ZaloChannel) -> Replies:
    """What is known of the account's message call lies where its rates do."""
    store = BusVault(node.bus, subjects.CONTROL.name)
    return Replies(channel.api, store, f"message-call.zalo.{node.zalo.app_id}")


def suppressions(bus: Bus, keys: KeyFile) -> Suppressions:
    return Suppressions(bus, keys.derive("suppressions"))
