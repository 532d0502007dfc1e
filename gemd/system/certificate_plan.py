"""The self-signed certificate of a host as it would be made, where there is none yet.

Rule: nothing is made; what a start would complain of is complained of in the same words.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gemd.system.attempt import attempt
from gemd.system.certificate_parsing import PrivateKey
from gemd.system.certificates import (
    ServerCertificate,
    certificate_paths,
    explain_unmade,
    find_or_make,
    load_key,
    make_self_signed,
)
from gemd.system.makeable import check_directory_makeable


def find_or_plan(directory: Path, names: tuple[str, ...]) -> ServerCertificate:
    """The certificate of the host `names[0]`; one in memory alone where it would be made. Raises CertificateError."""
    certificate_path, key_path = certificate_paths(directory, names[0])
    key: PrivateKey | None = None
    try:
        with attempt(f"the certificate {certificate_path} could not be found"):
            if certificate_path.exists():
                return find_or_make(directory, names)
            check_directory_makeable(directory)
            if key_path.exists():
                key = load_key(key_path)
    except OSError as error:
        raise explain_unmade(directory, error) from None
    return imagine(certificate_path, names, key)


def imagine(path: Path, names: tuple[str, ...], key: PrivateKey | None = None) -> ServerCertificate:
    """One in memory that stands for one that will be at `path`."""
    key = key if key is not None else ec.generate_private_key(ec.SECP256R1())
    return ServerCertificate((make_self_signed(key, names),), key, path)
