"""What the boxes of `/tim` offer, and which ids an address may name there."""

from channels.portal.model.site import Site
from channels.portal.search.query import KnownValues, SearchQuery

Options = list[tuple[str, str]]


def known_values(site: Site) -> KnownValues:
    """Ids that stand for something: a unit's former ones, too, and those of units that ended."""
    units = {unit: unit for unit in site.vocabulary.units}
    return {
        "chu-de": {topic: topic for topic in site.topics()},
        "don-vi": units | dict(site.vocabulary.aliases),
        "doi-tuong": {audience: audience for audience in site.audiences()},
    }


def filter_options(site: Site, query: SearchQuery) -> dict[str, Options]:
    """Field → id and name of each choice; a unit that has ended only where it was asked for."""
    units = dict.fromkeys((*site.units(), *filter(None, (query.unit,))))
    return {
        "chu-de": [(id, site.topic_name(id)) for id in site.topics()],
        "don-vi": [(id, site.slug_name(id)) for id in units],
        "doi-tuong": [(id, site.audience_name(id)) for id in site.audiences()],
    }


def selected_options(query: SearchQuery) -> dict[str, str]:
    """Field → the id of today that was asked for."""
    ids = {"chu-de": query.topic, "don-vi": query.unit, "doi-tuong": query.audience}
    return {field: id for field, id in ids.items() if id}
