"""Addresses, ids, dates, order and structure of feeds and maps are those of the released version.

`tests/golden/feeds-0.1.0` has publications, and what the code of that version made of them: each
public file, for some of them every own address and every date in their order, and in `shapes.txt`
the elements, attributes and values of feeds, all but texts, which may be worded anew.
"""

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from contracts.publication import Publication
from tests.support.portal_dir import public_files, rebuild, words_with

GOLDEN = Path(__file__).parents[3] / "golden/feeds-0.1.0"
_FACTS = re.compile(
    r'https://loa\.example\.vn[^\s"<&]*|\d{4}-\d\d-\d\dT[\d:]+Z'
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]+ GMT"
)


def golden(name):
    return [line.split("\t") for line in (GOLDEN / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    """The public files that today's code makes of the publications."""
    folder = tmp_path_factory.mktemp("now")
    stored = (GOLDEN / "publications.jsonl").read_text("utf-8").splitlines()
    words = words_with("lich-nghi-le", "viec-lam", "dinh-chinh")
    rebuild(folder, map(Publication.model_validate_json, stored), words)
    files = public_files(folder).items()
    return {path: body.decode() for path, body in files if not path.startswith("tai-nguyen/")}


def test_an_address_an_id_a_date_and_their_order_never_change(now):
    promised = golden("addresses.txt")
    assert [path for path, *_ in promised if path not in now] == []
    assert [path for path, *facts in promised if facts and _FACTS.findall(now[path]) != facts] == []


@pytest.mark.parametrize(("path", "expected"), golden("shapes.txt"))
def test_an_element_an_attribute_and_a_value_never_change(now, path, expected):
    assert shape_of(path, now[path]) == expected


def shape_of(path, document):
    """A feed in one line, each kind of entry once."""
    if path.endswith(".json"):
        return _of_json(json.loads(document))
    return _of_xml(etree.fromstring(document.encode()))


def _of_xml(node):
    attributes = "".join(f" {name}={_value(said)}" for name, said in node.items())
    children = "".join(dict.fromkeys(map(_of_xml, node)))
    return f"<{node.tag}{attributes}>{_value(node.text or '')}{children}</>"


def _of_json(node):
    if isinstance(node, dict):
        return "{" + ", ".join(f"{name}: {_of_json(one)}" for name, one in node.items()) + "}"
    if isinstance(node, list):
        return f"[{', '.join(dict.fromkeys(map(_of_json, node)))}]"
    return _value(str(node))


def _value(text):
    """*text*, unless it is words; `#` for an address or a date, which have their own test."""
    value = _FACTS.sub("#", text)
    return "…" if re.search(r"\s", value) else value
