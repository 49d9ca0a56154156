"""Errors that a handler raises to the acknowledging middleware."""


class RetryLater(Exception):
    """The message is valid but not done: deliver it again after `delay_s`."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = max(delay_s, 0.02)
        self.reason = reason
