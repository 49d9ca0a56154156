"""DKIM (RFC 6376, 8301, 8463): public keys for the relay's signature."""

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from channels.email.dkim_signer import DkimSigner
from channels.email.doctor.dns_client import DnsClient, parse_tags
from channels.email.doctor.finding import Finding, new_finding

_RSA_MIN, _RSA_ADVISED = 1024, 2048
_ED25519_BYTES = 32


async def examine(
    dns: DnsClient, domain: str, selectors: Sequence[str], own: DkimSigner | None = None
) -> AsyncIterator[Finding]:
    """Check each selector's key; that of *own* is the one we sign with. Raises DnsUnanswered."""
    if not selectors:
        yield new_finding("dkim_unknown", domain=domain)
    kinds: set[str] = set()
    for selector in selectors:
        name = f"{selector}._domainkey.{domain}"
        texts = await dns.txt_records(name)
        if own and selector == own.selector and not _has_key(texts, own):
            yield new_finding("dkim_own_other", name=name, record=own.record)
            continue
        if len(texts) != 1:
            yield new_finding("dkim_missing" if not texts else "dkim_several", name=name)
            continue
        kinds.add(parse_tags(texts[0]).get("k", "rsa"))
        yield _key_finding(name, parse_tags(texts[0]))
    if kinds and "rsa" not in kinds:
        yield new_finding("dkim_no_rsa", domain=domain)


def _has_key(texts: Sequence[str], own: DkimSigner) -> bool:
    """Whether one of a selector's records, if there is any, has the key that we sign with."""
    keys = ["".join(parse_tags(text).get("p", "").split()) for text in texts]
    return own.public_key in keys


def _key_finding(name: str, record: dict[str, str]) -> Finding:
    code = _record_flaw(record)
    if code:
        return new_finding(code, name=name)
    try:
        public = b64decode("".join(record["p"].split()), validate=True)
        if record.get("k", "rsa") != "ed25519":
            return _rsa_key_finding(name, public)
    except (ValueError, UnsupportedAlgorithm):
        return new_finding("dkim_unreadable", name=name)
    good = len(public) == _ED25519_BYTES
    return new_finding("dkim_ed25519" if good else "dkim_unreadable", name=name)


def _record_flaw(record: dict[str, str]) -> str:
    """Code of a flaw in a key's tags; empty if they are in order."""
    if record.get("v", "DKIM1") != "DKIM1" or "p" not in record:
        return "dkim_unreadable"
    if not record["p"]:
        return "dkim_revoked"
    if "sha256" not in record.get("h", "sha256").split(":"):
        return "dkim_sha1"
    return "dkim_testing" if "y" in record.get("t", "").split(":") else ""


def _rsa_key_finding(name: str, public: bytes) -> Finding:
    """Finding for one key. Raises ValueError or UnsupportedAlgorithm for an unreadable one."""
    key = load_der_public_key(public)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    bits = key.key_size
    code = "dkim_weak" if bits < _RSA_MIN else "dkim_short" if bits < _RSA_ADVISED else "dkim_ok"
    return new_finding(code, name=name, bits=bits)
