"""Addresses, ids, dates and order of pages, feeds and maps are those of the released version.

`tests/golden/feeds-0.1.0` has publications, and what the code of that version made of them: each
public file, and for some of them every own address and every date, in their order.
"""

import re
from pathlib import Path

from contracts.publication import Publication
from tests.support.portal_dir import public_files, rebuild, words_with

GOLDEN = Path(__file__).parents[3] / "golden/feeds-0.1.0"
_FACTS = re.compile(
    r'https://loa\.example\.vn[^\s"<&]*|\d{4}-\d\d-\d\dT[\d:]+Z'
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]+ GMT"
)


def test_an_address_an_id_a_date_and_their_order_never_change(tmp_path):
    stored = (GOLDEN / "publications.jsonl").read_text("utf-8").splitlines()
    words = words_with("lich-nghi-le", "viec-lam", "dinh-chinh")
    rebuild(tmp_path, map(Publication.model_validate_json, stored), words)
    now = {
        path: _FACTS.findall(body.decode())
        for path, body in public_files(tmp_path).items()
        if not path.startswith("tai-nguyen/")
    }
    promised = [
        line.split("\t") for line in (GOLDEN / "addresses.txt").read_text("utf-8").splitlines()
    ]
    assert [path for path, *_ in promised if path not in now] == []
    assert [path for path, *facts in promised if facts and now[path] != facts] == []
