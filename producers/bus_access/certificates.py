"""A CA of Loa's own, and the certificate of its nats-server."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from producers.bus_access.configuration import CA_CERTIFICATE, SERVER_CERTIFICATE
from producers.bus_access.key_files import write_private

_CA_KEY, _SERVER_KEY = "ca.key", "server.key"
_CA_LIFE, _SERVER_LIFE = timedelta(days=3650), timedelta(days=825)
_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
"""A server of a cluster is the client of the others."""
_CLOCK_SKEW = timedelta(hours=1)


def issue(ca: Path, server: Path, hosts: Sequence[str]) -> None:
    """Issue a certificate for *hosts* into folder *server*, from the CA in folder *ca*.

    The CA is made first if there is none. Raises OSError.
    """
    server.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (ca / CA_CERTIFICATE).exists():
        _make_ca(ca)
    authority = x509.load_pem_x509_certificate((ca / CA_CERTIFICATE).read_bytes())
    signer = serialization.load_pem_private_key((ca / _CA_KEY).read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise OSError(f"{ca / _CA_KEY} is not Loa's")
    key = _new_key(server / _SERVER_KEY)
    built = (
        _builder("loa nats-server", _SERVER_LIFE, key)
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName([_host_name(host) for host in hosts]), False)
        .add_extension(x509.ExtendedKeyUsage(_USES), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_authority_id(signer), False)
    )
    _save(server / SERVER_CERTIFICATE, built.sign(signer, hashes.SHA256()))


def _make_ca(folder: Path) -> None:
    key = _new_key(folder / _CA_KEY)
    builder = _builder("loa bus CA", _CA_LIFE, key)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "content_commitment"), False
    )
    usage |= {"encipher_only": False, "decipher_only": False, "digital_signature": False}
    built = (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loa bus CA")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    _save(folder / CA_CERTIFICATE, built.sign(key, hashes.SHA256()))


def _builder(
    name: str, life: timedelta, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, private)
    return key


def _authority_id(signer: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _save(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
