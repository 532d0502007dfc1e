import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gemd.system import client_chain
from gemd.system.client_chain import (
    UNREADABLE,
    UnfitChain,
    check_length,
    check_names,
    constrains_names,
    is_key_affordable,
    is_large,
    is_slow,
    moments_of,
    read_chain,
    signature_cost,
)
from tests.support.certificate_chains import (
    DAY,
    NOW,
    Link,
    encode,
    encode_integer,
    make_key,
    make_leaf,
    make_rsa_key,
    replace,
)

MOST = 20.0  # milliseconds that a chain may take


@pytest.fixture(scope="module")
def root():
    return Link()


@pytest.fixture(scope="module")
def leaf(root):
    return make_leaf(root)


@pytest.fixture
def read_with(root, leaf):
    """Read a chain whose second certificate has this key."""
    return lambda key: read_chain((leaf.der, Link("odd", key=key, issuer=root).der))


def constraints(*names):
    return x509.NameConstraints(None, [x509.DNSName(name) for name in names])


def alternatives(*names):
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


# Length


def test_eight_certificates_may_be_sent(leaf):
    assert len(read_chain((leaf.der,) * 8).certificates) == 8
    with pytest.raises(UnfitChain, match="too long: at most 8 certificates"):
        read_chain((leaf.der,) * 9)


def test_more_are_not_looked_at():
    check_length((b"nonsense",) * 8)
    with pytest.raises(UnfitChain, match="too long"):
        read_chain((b"nonsense",) * 9)


@pytest.mark.parametrize(
    ("ders", "large"),
    [((b"x",) * 3, False), ((b"x",) * 4, True), ((b"x" * 4096,), False), ((b"x" * 4096, b"x"), True), ((), False)],
)
def test_what_takes_long_to_read(ders, large):
    assert is_large(ders) is large


# Keys


@pytest.mark.parametrize(
    ("key", "is_affordable"),
    [
        (make_key(), True),
        (make_key(ec.SECP521R1), True),
        (ed25519.Ed25519PrivateKey.generate(), True),
        (ed448.Ed448PrivateKey.generate(), True),
        (make_rsa_key(2048), True),
        (make_rsa_key(4096, 33), True),
        (make_rsa_key(16384), True),
        (make_rsa_key(2048, 34), False),
        (make_rsa_key(3072, 3071), False),
        (dsa.generate_private_key(1024), False),
    ],
)
def test_the_clients_own_key(root, key, is_affordable):
    made = Link("Jane", key=key, issuer=root)
    assert is_key_affordable(made.der) is is_affordable


def certify_with(root, key):
    """A certificate whose RSA key is of these bytes."""
    rsa_key = make_rsa_key()
    made = Link("Jane", key=rsa_key, issuer=root)
    public = rsa_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return replace(made.der, encode(3, b"\0" + public), encode(3, b"\0" + key))


def test_a_key_that_cannot_be_read(root):
    assert not is_key_affordable(certify_with(root, b"nonsense"))


def test_a_key_whose_modulus_is_zero(root):
    """It costs nothing to verify with: cryptography 45 reads it, later ones don't, and none raises here."""
    assert isinstance(is_key_affordable(certify_with(root, bytes.fromhex("3006020100020103"))), bool)


def test_what_is_remembered_of_a_key_is_of_no_other(root):
    is_key_affordable.cache_clear()
    exponents = {17: True, 34: False, 33: True, 64: False}
    ders = {bits: Link("Jane", key=make_rsa_key(2048, bits), issuer=root).der for bits in exponents}
    for _ in range(3):  # OpenSSL asks so often in each handshake
        assert {bits: is_key_affordable(bytes(bytearray(der))) for bits, der in ders.items()} == exponents
    assert (is_key_affordable.cache_info().misses, is_key_affordable.cache_info().hits) == (4, 8)


def test_the_table_of_keys_has_an_end():
    for number in range(600):
        assert not is_key_affordable(b"nonsense %d" % number)
    assert is_key_affordable.cache_info().currsize <= 256


@pytest.mark.parametrize("bits", [1024, 2048, 4095, 4096])
def test_an_rsa_key_may_have_4096_bits(read_with, bits):
    assert read_with(make_rsa_key(bits)).cost > 0


@pytest.mark.parametrize("bits", [4097, 4104, 8192, 16384])
def test_and_not_more(read_with, bits):
    with pytest.raises(UnfitChain, match=r"key .* too large: at most 4096 bits"):
        read_with(make_rsa_key(bits))


@pytest.mark.parametrize("bits", [2048, 4096])
def test_an_exponent_may_have_33_bits(read_with, bits):
    assert read_with(make_rsa_key(bits, 33)).cost > 0
    for exponent in (34, 64):
        with pytest.raises(UnfitChain, match=r"exponent .* too large: at most 33 bits"):
            read_with(make_rsa_key(bits, exponent))


def test_the_clients_own_key_is_bounded_too(root):
    with pytest.raises(UnfitChain, match="4096 bits"):
        read_chain(Link("Jane", key=make_rsa_key(8192), issuer=root).chain)


CURVES = [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, ec.SECP256K1, ec.BrainpoolP512R1]


@pytest.mark.parametrize("curve", CURVES)
def test_curves_whose_cost_is_known(read_with, curve):
    assert 0 < read_with(make_key(curve)).cost < 1


@pytest.mark.parametrize("kind", [ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey])
def test_edwards_curves(read_with, kind):
    assert 0 < read_with(kind.generate()).cost < 1


OTHER_KEYS = {
    "secp224r1": lambda: ec.generate_private_key(ec.SECP224R1()),
    "DSA": lambda: dsa.generate_private_key(1024),
    "X25519": x25519.X25519PrivateKey.generate,
}


@pytest.mark.parametrize("make", OTHER_KEYS.values(), ids=OTHER_KEYS)
def test_other_keys_are_refused(read_with, make):
    with pytest.raises(UnfitChain, match="of a kind that is not accepted"):
        read_with(make())


def test_a_diffie_hellman_key_is_not_even_read(leaf):
    """The cryptography library would check its modulus, 1 << 3000, and raise an error."""
    public_key = leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    numbers = encode_integer(1 << 3000) + encode_integer(2) + encode_integer(7)
    algorithm = encode(0x30, bytes.fromhex("06072a8648ce3e0201") + encode(0x30, numbers))
    der = replace(leaf.der, public_key, encode(0x30, algorithm + encode(3, b"\0" + encode_integer(5))))
    with pytest.raises(UnfitChain, match="of a kind that is not accepted"):
        read_chain((leaf.der, der))


def test_a_key_that_can_t_be_read(root, leaf):
    """A curve that has no name, to the cryptography library: the OID of secp256r1 becomes another."""
    der = leaf.der.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f"))
    assert der != leaf.der
    with pytest.raises(UnfitChain, match="can't be read"):
        read_chain((leaf.der, der))


@pytest.mark.parametrize("der", [b"", b"nonsense", b"0\x80\0\0"])
def test_a_certificate_that_can_t_be_read(leaf, der):
    with pytest.raises(UnfitChain, match="can't be read"):
        read_chain((leaf.der, der))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_every_octet_changed_is_read_or_refused(leaf):
    refused = 0
    for i in range(len(leaf.der)):
        changed = leaf.der[:i] + bytes([leaf.der[i] ^ 0xFF]) + leaf.der[i + 1 :]
        try:
            check_names(read_chain((changed,)).certificates)
        except UnfitChain:
            refused += 1
    assert 0 < refused < len(leaf.der)


# What it costs


def test_the_dearest_chain_is_cheap_enough():
    dearest = max(*client_chain._CURVE_COSTS.values(), client_chain._RSA_COST, client_chain._ED448_COST)
    assert dearest * client_chain._MAX_CERTIFICATES < MOST / 2


def test_an_exponent_and_a_modulus_cost_what_they_make_of_work():
    usual, long, large = make_rsa_key(2048, 17), make_rsa_key(2048, 33), make_rsa_key(4096, 17)
    costs = [signature_cost(key) for key in (usual, long, large)]
    assert costs[0] < costs[1]
    assert costs[0] < costs[2]


@pytest.mark.parametrize(
    ("between", "curve", "slow"),
    [(0, ec.SECP256R1, False), (2, ec.SECP256R1, False), (7, ec.SECP256R1, True), (1, ec.SECP384R1, True)],
)
def test_what_takes_longer_than_a_page(root, between, curve, slow):
    chain = read_chain(make_leaf(root, between, curve=curve).chain)
    assert is_slow(chain, signature_cost(root.key.public_key())) is slow


def test_a_dear_authority_makes_every_chain_slow(leaf):
    chain = read_chain(leaf.chain)
    assert not is_slow(chain, 0.1)
    assert is_slow(chain, 1.0)


def test_the_clients_own_key_costs_nothing(root):
    assert read_chain(Link("Jane", key=make_key(ec.SECP521R1), issuer=root).chain).cost == 0


# Names


def test_constraints_on_names_are_noticed(root):
    between = Link("between", issuer=root, extensions=[constraints("a")])
    assert constrains_names(between.certificate)
    chain = read_chain(make_leaf(between).chain)
    assert chain.has_constraints
    assert is_slow(chain, 0.0)
    assert not read_chain(make_leaf(root).chain).has_constraints


@pytest.mark.parametrize(("alternative", "constrained", "fits"), [(48, 50, True), (49, 50, False), (4, 95, False)])
def test_a_hundred_names_and_constraints(root, alternative, constrained, fits):
    """Each of the two subjects is a name as well."""
    between = Link("between", issuer=root, extensions=[constraints(*["a"] * constrained)])
    leaf = make_leaf(between, extensions=[alternatives(*["b"] * alternative)])
    chain = read_chain(leaf.chain)
    if fits:
        check_names(chain.certificates)
        return
    with pytest.raises(UnfitChain, match="too many names: at most 100"):
        check_names(chain.certificates)


def test_permitted_names_count_as_well(root):
    permitted = x509.NameConstraints([x509.DNSName("a")] * 101, None)
    with pytest.raises(UnfitChain, match="too many names"):
        check_names([Link("between", issuer=root, extensions=[permitted]).certificate])


def test_extensions_that_can_t_be_read(root):
    broken = x509.UnrecognizedExtension(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"nonsense")
    with pytest.raises(UnfitChain, match="can't be read"):
        check_names([make_leaf(root, extensions=[broken]).certificate])


def test_when_something_changes(root):
    leaf = make_leaf(root, start=NOW - 2 * DAY, end=NOW + 3 * DAY)
    moments = list(moments_of([leaf.certificate, root.certificate]))
    days = [round((moment - NOW.timestamp()) / DAY.total_seconds(), 3) for moment in moments]
    assert days == [-2, 3, -1, 1]


def test_what_is_unreadable_is_no_bug_of_ours():
    assert Exception not in UNREADABLE
    assert AttributeError not in UNREADABLE
