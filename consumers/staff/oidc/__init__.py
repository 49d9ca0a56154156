"""Sign-in of staff with OpenID Connect: code flow, ID and logout tokens, people who wait.

`authorization`, `metadata`, `signature`, `id_token`, `logout_token` and `client_auth` decide
without I/O; `http_client` and `provider` speak to the provider; `service` is the whole flow.
"""
