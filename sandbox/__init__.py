"""Local stand-ins for outside services, for development, demos and tests.

No part of the product: it never imports them, and loads one by name where a process starts it.
"""
