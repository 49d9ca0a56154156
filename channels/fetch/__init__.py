"""Fetching from an address that somebody else wrote: never from inside our own network.

`public` judges addresses, `fetcher` makes the requests. May import `contracts` and aiohttp.
"""
