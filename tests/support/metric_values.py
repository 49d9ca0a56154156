"""Counts of this process so far, by name and labels."""

from producers import metrics


def metric(name: str, **labels: str) -> float:
    """The value of a sample; 0 where there is none."""
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0
