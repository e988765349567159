"""A certificate authority of the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)


class Authority:
    """One with a key of its own; below another one, or its own root."""

    def __init__(self, folder: Path, name: str = "Authority of the tests", parent=None) -> None:
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent or self
        now = datetime.now(UTC)
        issuer = self.parent.name
        builder = _certificate(issuer, self.name, self.key, now - 60 * DAY, now + 60 * DAY)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = builder.sign(self.parent.key, hashes.SHA256())
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, *names: str, file: str = "lab", days: float = 30, begins_days: float = -30
    ) -> tuple[Path, Path]:
        """Write a certificate with its key; return both files. Names may be addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
        others = [
            x509.IPAddress(ip_address(n)) if n[-1].isdecimal() else x509.DNSName(n) for n in names
        ]
        now = datetime.now(UTC)
        begins, ends = now + begins_days * DAY, now + days * DAY
        builder = _certificate(self.name, subject, key, begins, ends)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        pem, private = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        # Renamed into place, as certbot's links are: nobody reads half a file.
        _replace(pem, certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        _replace(
            private,
            key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()),
        )
        return pem, private


def _certificate(issuer, subject, key, begins, ends):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _replace(file: Path, content: bytes) -> None:
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.rename(file)
