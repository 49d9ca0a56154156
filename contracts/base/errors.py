"""Errors of the parts that all contracts share."""


class UnknownYear(LookupError):
    """No working days are known for `year`."""

    def __init__(self, year: int) -> None:
        super().__init__(f"no working days are known for {year}")
        self.year = year
