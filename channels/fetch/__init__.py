"""Fetching from an address that somebody else wrote: never from inside our own network.

`public` judges addresses, `fetcher` makes the requests, `visitor` comes back to one address, and
`reasons` says why nothing was had. May import `contracts` and aiohttp.
"""
