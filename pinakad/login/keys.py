"""Can this private key be used?

It is read once, as a regular file of bounded size; its path is not used again.
"""

import io
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pinakad.login.key_file import CERTIFICATE, MAX_KEY_BYTES, SshKeyError, read_regular
from pinakad.printable import cause_of, printable

_Loaded = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_CLASSES: tuple[tuple[type[_Loaded], type[paramiko.PKey]], ...] = (
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
)


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
    _add_certificate(key, Path(f"{path}{CERTIFICATE}"))
    return key


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
