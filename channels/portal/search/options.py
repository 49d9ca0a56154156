"""Options of the filters of `/tim`, and the ids that addresses may name."""

from channels.portal.model.site import Site
from channels.portal.search.query import KnownValues, SearchQuery

Options = list[tuple[str, str]]


def known_values(site: Site) -> KnownValues:
    """Accepted ids, including former ids of units and units that have ended."""
    units = {unit: unit for unit in site.vocabulary.units}
    return {
        "chu-de": {topic: topic for topic in site.topics()},
        "don-vi": units | dict(site.vocabulary.aliases),
        "doi-tuong": {audience: audience for audience in site.audiences()},
    }


def filter_options(site: Site, query: SearchQuery) -> dict[str, Options]:
    """Field → id and name of each option; an ended unit only if *query* has it."""
    units = dict.fromkeys((*site.units(), *filter(None, (query.unit,))))
    return {
        "chu-de": [(id, site.topic_name(id)) for id in site.topics()],
        "don-vi": [(id, site.slug_name(id)) for id in units],
        "doi-tuong": [(id, site.audience_name(id)) for id in site.audiences()],
    }


def selected_options(query: SearchQuery) -> dict[str, str]:
    """Field → current id of the selected option."""
    ids = {"chu-de": query.topic, "don-vi": query.unit, "doi-tuong": query.audience}
    return {field: id for field, id in ids.items() if id}
