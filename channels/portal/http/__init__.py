"""The portal over HTTP: its files and the search page, as ASGI apps. Builds on all but writer."""
