"""A token store, and an OAuth host with scripted answers."""

import json

from cryptography.fernet import Fernet

from channels.zalo.client.oauth_api import OAuthClient, TokenPair
from channels.zalo.client.store import GrantCipher
from channels.zalo.client.token_store import TokenStore, grant_key
from channels.zalo.client.transport import HttpResponse


class ScriptedOAuthHost:
    """An OAuth host that plays answers back: replies or exceptions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.meanwhile = None

    async def exchange(self, request):
        self.requests.append(request)
        if self.meanwhile:
            await self.meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def reply(body, status=200):
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpResponse(status, {}, text.encode())


def token_pair(number=2, **changes):
    names = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
    return reply(names | {"expires_in": "90000"} | changes)


def pair_of(number):
    return TokenPair(f"access-{number}", f"refresh-{number}", 90000.0)


USED_UP = reply("")
KEY = grant_key("app")
CIPHER = GrantCipher(Fernet.generate_key())


def new_token_store(vault, clock, *answers, host=None, cipher=CIPHER):
    """One process; it shares *vault* with others."""
    transport = host or ScriptedOAuthHost(*answers)
    oauth = OAuthClient("https://oauth.example", "app", "secret", transport)
    return TokenStore(oauth, vault, cipher, clock)


async def seeded_token_store(vault, clock, *answers, host=None):
    tokens = new_token_store(vault, clock, *answers, host=host)
    await tokens.seed(pair_of(1))
    return tokens


async def stored_grant(tokens):
    return (await tokens.read()).grant
