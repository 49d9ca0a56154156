"""Opener of addresses with a key: the key is for one host alone."""

from http.client import HTTPResponse
from urllib.request import BaseHandler, HTTPErrorProcessor, OpenerDirector, Request, build_opener


class _EveryAnswer(HTTPErrorProcessor):
    """Passes each answer on, and follows no redirect, which would take the key to another host."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002
        return response

    https_response = http_response


def opener_of_one_host(*handlers: BaseHandler) -> OpenerDirector:
    """An opener that returns every answer as it came, also refusals and redirects."""
    return build_opener(_EveryAnswer, *handlers)
