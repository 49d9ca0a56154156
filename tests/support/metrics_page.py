"""The page `/metrics`, as Prometheus' own parser reads it."""

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


@dataclass(frozen=True)
class Page:
    """One scrape."""

    samples: Sequence[Sample]

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have *labels*; 0 for none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def scrape(url: str) -> Page:
    """Scrape the operator's port at *url*."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return Page([sample for family in families for sample in family.samples])
