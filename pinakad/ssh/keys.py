"""Can this private key be used?

It is read once, as a regular file of bounded size; its path is not used again.
"""

import io
import os
import stat
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pinakad.problems import cause_of, printable

MAX_KEY_BYTES = 1 << 16
_CERTIFICATE = "-cert.pub"
_Loaded = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_CLASSES: tuple[tuple[type[_Loaded], type[paramiko.PKey]], ...] = (
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
)


class SshKeyError(Exception):
    """The private key or the operator's known_hosts cannot be used; the message says why."""


def load_key(path: Path) -> paramiko.PKey:
    """Read a private key of any form that ssh-keygen(1) writes, and its certificate (`<path>-cert.pub`), if any.

    Raises SshKeyError, with the path and the cause, where the key or its certificate cannot be read or used.
    """
    text = _read_named("the SSH key", path, MAX_KEY_BYTES)
    begins = text.find(b"-----BEGIN ")
    if begins < 0:
        raise SshKeyError(f"cannot use the SSH key '{path}': not a private key (no line -----BEGIN ...)")
    try:
        key = _parse(text[begins:].replace(b"\r\n", b"\n"))
    except TypeError:
        raise SshKeyError(f"cannot use the SSH key '{path}': it needs a passphrase; use one without") from None
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, AssertionError, IndexError) as error:
        cause = printable(str(error)) or "unknown format"
        raise SshKeyError(f"cannot use the SSH key '{path}': not a private key ({cause})") from None
    _add_certificate(key, Path(f"{path}{_CERTIFICATE}"))
    return key


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file, links followed; a pipe is not waited for.

    Raises OSError, and SshKeyError where it is not a regular file or larger than `max_bytes`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SshKeyError("not a regular file")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SshKeyError(f"larger than {max_bytes} bytes")
    return data


def _read_named(what: str, path: Path, max_bytes: int) -> bytes:
    try:
        return read_regular(path, max_bytes)
    except FileNotFoundError:
        raise SshKeyError(f"cannot read {what} '{path}': no such file") from None
    except OSError as error:
        raise SshKeyError(f"cannot read {what} '{path}': {cause_of(error)}") from None
    except SshKeyError as error:
        raise SshKeyError(f"cannot read {what} '{path}': {error}") from None


def _parse(text: bytes) -> paramiko.PKey:
    """Return the key, converted to the one form that the library reads for each type.

    Raises TypeError where it is encrypted, ValueError where it is of another type or damaged.
    """
    loaded: object
    try:
        loaded = serialization.load_ssh_private_key(text, None)
    except ValueError:
        loaded = serialization.load_pem_private_key(text, None)
    for kind, class_ in _CLASSES:
        if isinstance(loaded, kind):
            plain = loaded.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            return class_.from_private_key(io.StringIO(plain.decode()))
    raise ValueError(f"a key of type {type(loaded).__name__.removesuffix('PrivateKey').strip('_')} logs in to no node")


def _add_certificate(key: paramiko.PKey, path: Path) -> None:
    try:
        text = read_regular(path, MAX_KEY_BYTES)
    except FileNotFoundError:
        return
    except (OSError, SshKeyError) as error:
        cause = cause_of(error) if isinstance(error, OSError) else error
        raise SshKeyError(f"cannot read the SSH key's certificate '{path}': {cause}") from None
    try:
        key.load_certificate(text.decode("ascii"))
    except (ValueError, TypeError, IndexError, paramiko.SSHException) as error:
        cause = printable(str(error)) or "unknown format"
        raise SshKeyError(f"cannot use the SSH key's certificate '{path}': {cause}") from None
