"""Inbound mail: the SMTP server for bounces and unsubscriptions, the bounce parser, autoreply rules.

May import `contracts`, `channels.errors` and `channels.email.header_injection`.
"""
