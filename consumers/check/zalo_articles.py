"""Rule of Zalo articles: each delivered article has a record with its id, so it can be hidden."""

from collections import defaultdict
from collections.abc import Sequence

from channels.zalo.publications.record import ArticleRecord
from consumers.check.context import CheckContext
from consumers.check.findings import Violation
from consumers.check.ledger_pass import OutcomesByPlan
from consumers.dispatch.audience import ARTICLE
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey

_RECORD_PREFIX = "note.zalo."
_DELIVERED_LETTER = ord("d")


async def check_articles(context: CheckContext, outcomes: OutcomesByPlan) -> list[Violation]:
    """Check *outcomes*, which were read before the records are."""
    records: dict[str, list[ArticleRecord]] = defaultdict(list)
    async for key, value in context.bus.bucket(subjects.LEDGER.name).values(_RECORD_PREFIX):
        records[key.rpartition(".")[2]].append(ArticleRecord.decode(value.data))
    detail = "no note has its id"
    return [
        Violation(rule="article-unnoted", key=f"state.{BatchKey(*plan, 0)}", detail=detail)
        for plan, letters in outcomes.items()
        if plan.channel is ChannelName.ZALO and letters.get(ARTICLE) == _DELIVERED_LETTER
        if not _is_recorded(context, plan, records[plan.content_id])
    ]


def _is_recorded(context: CheckContext, plan: PlanKey, records: Sequence[ArticleRecord]) -> bool:
    """Whether a record has the article; a withdrawal before any article has a record without id."""
    articles = [record for record in records if record.article_id]
    publication = context.publications.find(plan.content_id, plan.revision)
    if not articles and publication and publication.action == "withdrawn":
        return bool(records)
    return any(record.shown >= plan.revision for record in articles)
