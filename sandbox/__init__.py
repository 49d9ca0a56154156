"""Local stand-ins for outside services, for development, demos and tests.

No part of the product, which never imports them.
"""
