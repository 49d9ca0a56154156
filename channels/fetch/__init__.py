"""HTTP requests to addresses that other people wrote; never into our own network.

`url_policy` decides which addresses are allowed, `fetcher` makes a request or asks only for
changes, `webhook` posts to one, `errors` has the reasons. May import `contracts` and aiohttp.
"""
