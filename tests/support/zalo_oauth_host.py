"""A token store in memory, and an OAuth host with scripted answers."""

import json

from cryptography.fernet import Fernet

from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.store import GrantCipher, TokenGrant
from channels.zalo.client.token_store import TokenStore, grant_key
from channels.zalo.client.transport import Reply


class ScriptedOAuthHost:
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


def token_pair(number=2, **changes):
    names = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
    return reply(names | {"expires_in": "90000"} | changes)


USED_UP = reply("")
KEY = grant_key("app")
SEAL = GrantCipher(Fernet.generate_key())


def new_token_store(vault, clock, *answers):
    host = ScriptedOAuthHost(*answers)
    return TokenStore(
        OAuthClient("https://oauth.example", "app", "secret", host), vault, SEAL, clock
    )


async def seeded_token_store(vault, clock, *answers):
    tokens = new_token_store(vault, clock, *answers)
    await tokens.seed("access-1", "refresh-1", "90000")
    return tokens


def stored_grant(vault) -> TokenGrant:
    return SEAL.decrypt(vault.stored[KEY].data)
