"""A certificate authority for tests, made anew each time; nothing of it is kept.

Not here: what is done with the certificates.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailhook.certificates import Pem


@dataclass
class Authority:
    """Its files lie in `folder`."""

    folder: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(self.name)
        certificate = _signed(self._subject, self._subject, self._key.public_key(), self._key, 365)
        self.file = str(self.folder / f"{self.name}.pem")
        Path(self.file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        Path(self.file).chmod(0o644)

    def pem(self, name: str = "127.0.0.1", days: float = 90, file: str = "server") -> Pem:
        """A certificate for `name`, valid for so many days; an address stands in it as one."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_name(name), self._subject, key.public_key(), self._key, days, name)
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        paths[1].chmod(0o600)
        return Pem(str(paths[0]), str(paths[1]), self.file)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    days: float,
    alternative: str = "",
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not alternative, path_length=None), critical=True)
    )
    if alternative:
        names = [_alternative(alternative)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
