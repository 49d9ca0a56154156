"""A relay's side of TLS: certificates of an authority that only the tests know."""

import ssl
from pathlib import Path

import trustme


def relay_context(authority: trustme.CA, *names: str, **validity) -> ssl.SSLContext:
    """The context of a server with a certificate for *names*, or for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ["127.0.0.1"]), **validity).configure_cert(context)
    return context


def write_bundle(authority: trustme.CA, folder: Path) -> Path:
    """The file for LOA_EMAIL_CA_BUNDLE."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path
