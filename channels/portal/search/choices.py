"""What the boxes of `/tim` offer, and which ids an address may name there."""

from channels.portal.search.question import Known, Question
from channels.portal.site import Site

Options = list[tuple[str, str]]


def known(site: Site) -> Known:
    """Ids that stand for something: a unit's former ones, too, and those of units that ended."""
    units = {unit: unit for unit in site.vocabulary.units}
    return {
        "chu-de": {topic: topic for topic in site.topics()},
        "don-vi": units | dict(site.vocabulary.aliases),
        "doi-tuong": {audience: audience for audience in site.audiences()},
    }


def options(site: Site, question: Question) -> dict[str, Options]:
    """Field → id and name of each choice; a unit that has ended only where it was asked for."""
    units = dict.fromkeys((*site.units(), *filter(None, (question.unit,))))
    return {
        "chu-de": [(id, site.topic_name(id)) for id in site.topics()],
        "don-vi": [(id, site.slug_name(id)) for id in units],
        "doi-tuong": [(id, site.audience_name(id)) for id in site.audiences()],
    }


def chosen(question: Question) -> dict[str, str]:
    """Field → the id of today that was asked for."""
    ids = {"chu-de": question.topic, "don-vi": question.unit, "doi-tuong": question.audience}
    return {field: id for field, id in ids.items() if id}
