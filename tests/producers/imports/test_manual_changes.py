"""People have the last word: what they withdraw or correct by hand is known to the import."""

from contracts import events
from tests.producers.imports.test_plan import whys
from tests.support.feed_site import Article
from tests.support.import_planner import UNIT


def test_what_was_withdrawn_stays_so_whatever_the_site_does(planner):
    planner.plan_reading(Article(1))
    said = planner.log[0]
    gone = {"content_id": said.data["content_id"], "reason": "Sai sự thật"}
    by_hand = {"extensions": {}, "source": f"/units/{UNIT}"}
    planner.accept(said.model_copy(update={"type": events.WITHDRAWN, "data": gone, **by_hand}))
    made = planner.plan_reading(Article(1, lead="Khác"))
    assert (whys(made), made.counts["withdrawn"]) == ([], 1)


def test_a_text_that_somebody_corrected_by_hand_is_corrected_behind_theirs(planner):
    planner.plan_reading(Article(1))
    said = planner.log[0]
    data = {**said.data, "revision": 5, "corrects_revision": 1, "title": "Sửa tay"}
    by_hand = {"extensions": {}, "source": f"/units/{UNIT}"}
    planner.accept(said.model_copy(update={"type": events.CORRECTED, "data": data, **by_hand}))
    assert whys(planner.plan_reading(Article(1))) == [], "the site says what it said"
    planner.plan_reading(Article(1, lead="Khác"))
    assert (planner.log[-1].data["revision"], planner.log[-1].data["corrects_revision"]) == (6, 5)


def test_an_event_that_was_overtaken_counts_no_revision_back(planner):
    planner.plan_reading(Article(1))
    said = planner.log[0]
    newer = {**said.data, "revision": 5, "corrects_revision": 1}
    by_hand = {"extensions": {}, "source": f"/units/{UNIT}"}
    planner.accept(said.model_copy(update={"type": events.CORRECTED, "data": newer, **by_hand}))
    late = {**said.data, "revision": 2, "corrects_revision": 1}
    planner.accept(said.model_copy(update={"type": events.CORRECTED, "data": late}))
    planner.plan_reading(Article(1, lead="Khác"))
    assert planner.log[-1].data["revision"] == 6
