"""A feed reader that follows the links of a feed into its archives."""

import json

from lxml import etree

from channels.portal.render.xml import ATOM_NS
from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import PUBLIC_URL

ATOM = f"{{{ATOM_NS}}}"


def links(element):
    return {link.get("rel"): link.get("href") for link in element.findall(f"{ATOM}link")}


def archives(folder, kind="atom", slug="tat-ca"):
    """Name → bytes of a feed's archives."""
    files = (folder / "public/nguon-tin" / slug).glob(f"*.{kind}")
    return {file.name: file.read_bytes() for file in sorted(files)}


class FeedReader:
    """A feed reader that has never been here: it knows one address, and follows the links."""

    def __init__(self, folder):
        self.folder = folder
        self.entries = {}  # id → when it was changed last
        self.documents = []

    def read(self, url):
        """The whole history behind *url*."""
        while url:
            assert url not in self.documents, "the chain has an end"
            self.documents.append(url)
            path = url.removeprefix(f"{PUBLIC_URL}/")
            data = (self.folder / "public" / path).read_bytes()
            assert check_feed(data, url) == [], path
            entries, url = READERS[path.rpartition(".")[2]](data)
            for name, changed in entries:
                self.entries[name] = max(changed, self.entries.get(name, changed))
        return self


def of_json(data):
    whole = json.loads(data)
    entries = [(one["id"], one["date_modified"]) for one in whole["items"]]
    return entries, whole.get("next_url")


def of_atom(data):
    root = etree.fromstring(data)
    entries = root.findall(f"{ATOM}entry")
    times = [(entry.findtext(f"{ATOM}id"), entry.findtext(f"{ATOM}updated")) for entry in entries]
    return times, links(root).get("prev-archive")


def of_rss(data):
    channel = etree.fromstring(data).find("channel")
    items = channel.iter("item")
    times = [(item.findtext("guid"), item.findtext(f"{ATOM}updated")) for item in items]
    return times, links(channel).get("prev-archive")


READERS = {"rss": of_rss, "atom": of_atom, "json": of_json}
