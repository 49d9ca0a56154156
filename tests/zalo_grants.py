"""A keeper of tokens whose vault is in memory, before an OAuth host that plays answers back."""

import json

from cryptography.fernet import Fernet

from channels.zalo.oauth import OAuth
from channels.zalo.tokens import TokenKeeper, grant_key
from channels.zalo.transport import Reply
from channels.zalo.vault import Grant, Seal


class Scripted:
    """An OAuth host that plays answers back: replies or exceptions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.meanwhile = lambda: None

    async def exchange(self, request):
        self.requests.append(request)
        self.meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self):
        """Nothing to close."""


def reply(body, status=200):
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status, {}, text.encode())


def a_pair(number=2, **changes):
    names = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
    return reply(names | {"expires_in": "90000"} | changes)


SPENT = reply("")
KEY = grant_key("app")
SEAL = Seal(Fernet.generate_key())


def keeper(vault, clock, *answers):
    host = Scripted(*answers)
    return TokenKeeper(OAuth("https://oauth.example", "app", "secret", host), vault, SEAL, clock)


async def seeded(vault, clock, *answers):
    tokens = keeper(vault, clock, *answers)
    await tokens.seed("access-1", "refresh-1", "90000")
    return tokens


def stored(vault) -> Grant:
    return SEAL.open(vault.stored[KEY].data)
