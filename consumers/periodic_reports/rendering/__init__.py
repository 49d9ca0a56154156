"""The files that a report is made into: the same bytes each time."""
