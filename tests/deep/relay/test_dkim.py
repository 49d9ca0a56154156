"""Loa's DKIM signatures, judged by OpenDKIM at the reader's server, behind a real Postfix."""

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support import requirements
from tests.support.email_pipeline import EmailPipeline
from tests.support.postfix import Postfix
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

KEYS = {"rsa": lambda: generate_private_key(65537, 2048), "ed25519": Ed25519PrivateKey.generate}
READERS = 5


class Verifier:
    """OpenDKIM, with the record that the signer says to publish in place of DNS."""

    def __init__(self, folder, signer) -> None:
        self.folder, self.conf = folder, folder / "opendkim.conf"
        keys = folder / "keys"
        keys.write_text(f"{signer.record_name} {signer.record}\n")
        self.conf.write_text(f"Mode v\nTestPublicKeys {keys}\n")

    def accepts(self, mail: bytes) -> bool:
        file = self.folder / "mail.eml"
        file.write_bytes(mail)
        command = [requirements.OPENDKIM, "-x", self.conf, "-vv", "-t", file]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        results = {word for word in ("dkim=pass", "dkim=fail") if word in told}
        assert len(results) == 1, told
        return results == {"dkim=pass"}


@pytest.mark.parametrize("kind", KEYS)
async def test_opendkim_accepts_the_signature_of_each_mail_and_of_no_other(kind, bus, tmp_path):
    requirements.postfix()
    requirements.opendkim()
    key = tmp_path / "dkim.pem"
    key.write_bytes(KEYS[kind]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    settings = {"dkim_key_file": key, "dkim_selector": "loa1"}
    async with SmtpReceiver() as readers:
        with Postfix(readers.port, readers.port, "bounces.example") as relay:
            loa = EmailPipeline(bus, tmp_path, READERS, relay.port, **settings)
            await loa.run(await loa.plan())
            await until(lambda: len(readers.mails) == READERS)
            await loa.provider.close()
    verifier = Verifier(tmp_path, loa.provider.dkim)
    for mail in readers.mails:
        assert mail.data.startswith(b"Received: "), "the relay adds what is not signed"
        assert verifier.accepts(mail.data)
    signed = readers.mails[0].data
    for old, new in ((b"\r\nSubject: ", b"\r\nSubject: x"), (b"</html>", b"<b>x</b></html>")):
        assert signed.count(old) == 1
        assert not verifier.accepts(signed.replace(old, new))
