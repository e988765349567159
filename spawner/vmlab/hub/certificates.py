"""A certificate and its key: what is wrong with them for the names of a lab.

`read_pair` reads the two files; `pair_faults` judges what was read, and is pure. `lab_faults` does
both for a lab.
"""

from __future__ import annotations

import contextlib
import ssl
import stat
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.utils import CryptographyDeprecationWarning

from vmlab.errors import HostError
from vmlab.lab.lab import Lab
from vmlab.lab.origins import public_hosts

WARN_AHEAD: Final = timedelta(days=14)
_LISTED: Final = 3
_PEM_HINT: Final = (
    "[hub] certificate is a PEM file with the certificate and all intermediate ones (certbot: "
    "fullchain.pem), [hub] key one with its private key without a passphrase (certbot: privkey.pem)"
)


@dataclass(frozen=True)
class Pair:
    """What the two files hold."""

    certificate: Path
    chain: tuple[x509.Certificate, ...]  # the hub's own first; never empty
    key: Path
    key_fits: bool
    key_mode: int

    @property
    def leaf(self) -> x509.Certificate:
        """The hub's own."""
        return self.chain[0]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    is_fatal: bool  # browsers would refuse it, or a secret is readable
    found: str
    advice: str


def lab_faults(lab: Lab) -> tuple[Pair, list[Fault]] | None:
    """Return what is wrong with a lab's certificate now, the worst first; None without one.

    Raises:
        HostError: as for `read_pair`.
    """
    hub = lab.hub
    if hub.certificate is None or hub.key is None:
        return None
    pair = read_pair(hub.certificate, hub.key)
    names = lab.accounts.names()
    has_name = hub.public or not hub.one_origin  # else browsers may use any address
    hosts = public_hosts(names, hub.url, one_origin=hub.one_origin) if has_name else ()
    return pair, pair_faults(pair, hosts, datetime.now(UTC), known_authorities())


def read_pair(certificate: Path, key: Path) -> Pair:
    """Read both files.

    Raises:
        HostError: one of them cannot be read, or is not PEM.
    """
    try:
        chain = tuple(x509.load_pem_x509_certificates(_read(certificate)))
    except ValueError as e:
        raise HostError(f"{certificate} holds no certificate: {e}", hint=_PEM_HINT) from e
    try:
        private = serialization.load_pem_private_key(_read(key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise HostError(f"{key} holds no private key: {_first_words(e)}", hint=_PEM_HINT) from e
    return Pair(
        certificate=certificate,
        chain=chain,
        key=key,
        key_fits=_public_bytes(private.public_key()) == _public_bytes(chain[0].public_key()),
        key_mode=stat.S_IMODE(key.stat().st_mode),
    )


def known_authorities() -> frozenset[bytes]:
    """Return the subjects of the authorities that this host trusts, as DER."""
    subjects = set()
    with warnings.catch_warnings():
        # Some old authorities have serial numbers that a later version will refuse.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for der in ssl.create_default_context().get_ca_certs(binary_form=True):
            with contextlib.suppress(ValueError):
                subjects.add(x509.load_der_x509_certificate(der).subject.public_bytes())
    return frozenset(subjects)


def pair_faults(
    pair: Pair, hosts: Collection[str], now: datetime, known: Collection[bytes]
) -> list[Fault]:
    """Return all that is wrong, the worst first.

    Args:
        hosts: the names of the hub and of all machines.
        now: with a time zone.
        known: as `known_authorities`.
    """
    faults = [
        *_key_faults(pair),
        *_time_faults(pair, now),
        *_name_faults(pair, hosts),
        *_chain_faults(pair, known),
    ]
    return sorted(faults, key=lambda fault: not fault.is_fatal)


def covers(pattern: str, host: str) -> bool:
    """Tell whether a name of a certificate is that of a host; a wildcard is for one label."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == host
    first, _, rest = host.partition(".")
    return bool(first) and rest == pattern[2:]


def _key_faults(pair: Pair) -> list[Fault]:
    faults = []
    if not pair.key_fits:
        advice = "set both to files that belong together, then start the hub again"
        faults.append(Fault(True, f"{pair.key} is not the key of {pair.certificate}", advice))
    if pair.key_mode & stat.S_IRWXO:
        found = f"everybody on this host may read the key {pair.key} (mode {pair.key_mode:04o})"
        faults.append(Fault(True, found, f"chmod o= {pair.key}"))
    return faults


def _time_faults(pair: Pair, now: datetime) -> list[Fault]:
    begins, ends = pair.leaf.not_valid_before_utc, pair.leaf.not_valid_after_utc
    advice = f"renew {pair.certificate}; a running hub uses the new file by itself"
    if now < begins:
        found = f"{pair.certificate} is not valid before {begins:%Y-%m-%d %H:%M} UTC"
        return [Fault(True, found, "wait, or check this host's clock: date -u")]
    if now >= ends:
        return [Fault(True, f"{pair.certificate} expired on {ends:%Y-%m-%d %H:%M} UTC", advice)]
    if ends - now < WARN_AHEAD:
        left = (ends - now).days
        found = f"{pair.certificate} expires on {ends:%Y-%m-%d}, {left} days from now"
        return [Fault(False, found, advice)]
    return []


def _name_faults(pair: Pair, hosts: Collection[str]) -> list[Fault]:
    named = _names(pair.leaf)
    missing = [host for host in hosts if not any(covers(name, host) for name in named)]
    if not missing:
        return []
    more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
    found = (
        f"{pair.certificate} is for {', '.join(named) or 'no name'}, "
        f"not for {', '.join(missing[:_LISTED])}{more}"
    )
    return [Fault(True, found, "get one for the hub's name and for all names below it (*.NAME)")]


def _chain_faults(pair: Pair, known: Collection[bytes]) -> list[Fault]:
    for below, above in zip(pair.chain, pair.chain[1:], strict=False):
        if not _issued(below, above):
            found = (
                f"{pair.certificate}: {_show(below)} was issued by {_show(below, issuer=True)}, "
                f"but {_show(above)} follows it"
            )
            return [Fault(True, found, "put each certificate before that of its issuer")]
    last = pair.chain[-1]
    if last.issuer.public_bytes() in known or last.subject.public_bytes() in known:
        return []
    found = (
        f"{pair.certificate} ends with {_show(last)}, issued by {_show(last, issuer=True)}, "
        "which this host does not trust"
    )
    advice = (
        "add the intermediate certificates (certbot: fullchain.pem); for an authority of your own, "
        "add it to this host (update-ca-certificates) and to the browsers"
    )
    return [Fault(False, found, advice)]


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []  # browsers look at nothing else
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return [
        *extension.value.get_values_for_type(x509.DNSName),
        *(str(each) for each in addresses),
    ]


def _show(certificate: x509.Certificate, *, issuer: bool = False) -> str:
    name = certificate.issuer if issuer else certificate.subject
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "a certificate"


def _public_bytes(key: object) -> bytes:
    kind, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public_bytes: bytes = key.public_bytes(kind, form)  # type: ignore[attr-defined]
    return public_bytes


def _first_words(error: Exception) -> str:
    return str(error).partition(".")[0][:200]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise HostError(f"{file} cannot be read: {e.strerror}", hint=_PEM_HINT) from e
