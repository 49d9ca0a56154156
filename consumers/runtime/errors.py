"""Errors that a handler raises to the acknowledging middleware."""


class RetryLater(Exception):
    """Not done and not wrong: deliver this message again after `delay_s`."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = max(delay_s, 0.02)
        self.reason = reason
