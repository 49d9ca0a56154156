"""The portal channel: pages and feeds as plain files that any web server can serve.

May import: contracts, channels.base, channels.errors, channels.file_note and
channels.markdown_text. Its packages, lowest first: model, index,
storage, search, render, then writer and http.
"""
