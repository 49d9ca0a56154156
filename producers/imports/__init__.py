"""Import of a unit's own feed, on a schedule, for units without developers.

A visit (`visit`) requests a feed (`feed_request`), parses it (`parse`), compares it with the
articles imported before (`imported_articles`), plans events (`plan`, `planned`), builds them
(`compose_event`), sends them through acceptance (`sender`) and stores what the next visit needs
(`next_state`, `feed_state`). `service` runs the visits that are due; `dry_run` reads a feed
without sending anything; `isolate_errors` keeps a bug at one feed from stopping the others.

The HTTP request is injected (`feed_request.FeedRequest`). May import what producers may, and
feedparser.
"""
