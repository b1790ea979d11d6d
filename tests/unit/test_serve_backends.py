"""Backends of certificates and of functions, and the order in which backends are asked."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from seedless.errors import BackendError, Refused, StoreError, UsageError
from seedless.serve.backends import identify, open_backends
from seedless.serve.backends.certificate import Certificates, CertificateSettings
from seedless.serve.backends.function import FunctionSettings, UserFunction
from seedless.serve.login import Identity, Login

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.serve.login import Backend

CA_KEY, LEAF_KEY = ec.derive_private_key(7, ec.SECP256R1()), ec.derive_private_key(8, ec.SECP256R1())
FIRST, LAST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2036, 1, 1, tzinfo=dt.UTC)


def certificate(name: x509.Name, public: Any, *others: x509.GeneralName) -> x509.Certificate:  # noqa: ANN401 - a key
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Devices CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(7)
        .not_valid_before(FIRST)
        .not_valid_after(LAST)
    )
    if others:
        builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256())


def pem(one: x509.Certificate) -> str:
    return one.public_bytes(serialization.Encoding.PEM).decode()


def named(*names: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in names])


CA = certificate(named((x509.NameOID.COMMON_NAME, "Devices CA")), CA_KEY.public_key())
LEAF = certificate(
    named((x509.NameOID.ORGANIZATION_NAME, "Acme"), (x509.NameOID.COMMON_NAME, "sensor7")),
    LEAF_KEY.public_key(),
    x509.DNSName("sensor7.devices.example.com"),
    x509.RFC822Name("ops@example.com"),
    x509.RFC822Name("sensors@example.com"),
)
CHAIN = Login(certificates=(pem(LEAF), pem(CA)))
DIGEST = LEAF.fingerprint(hashes.SHA256()).hex()


def asked(backend: Backend, login: Login) -> Identity | None:
    return asyncio.run(backend.identify(login))


def test_the_common_name_of_the_verified_leaf_names_the_identity() -> None:
    assert asked(Certificates("machines", CertificateSettings()), CHAIN) == Identity(
        backend="machines",
        name="sensor7",
        attributes={
            "cn": ("sensor7",),
            "o": ("Acme",),
            "dns": ("sensor7.devices.example.com",),
            "email": ("ops@example.com", "sensors@example.com"),
            "sha256": DIGEST,
        },
        expires=2082758400,
    )


def test_another_name_may_be_used_without_its_end() -> None:
    settings = CertificateSettings(name="dns", suffix=".devices.example.com")
    identity = asked(Certificates("machines", settings), CHAIN)
    assert identity is not None
    assert identity.name == "sensor7"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param(
            CertificateSettings(name="email"),
            "CN=sensor7,O=Acme has 2 names of the kind email, and one is required",
            id="two names",
        ),
        pytest.param(
            CertificateSettings(name="uri"),
            "CN=sensor7,O=Acme has 0 names of the kind uri, and one is required",
            id="no name",
        ),
        pytest.param(
            CertificateSettings(name="dns", suffix=".example.org"),
            "the name sensor7.devices.example.com does not end with .example.org",
            id="another end",
        ),
        pytest.param(
            CertificateSettings(authorities=(DIGEST,)),
            "no certificate above CN=sensor7,O=Acme is a pinned authority",
            id="the leaf is not an authority",
        ),
    ],
)
def test_a_certificate_that_names_nobody_is_refused(settings: CertificateSettings, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        asked(Certificates("machines", settings), CHAIN)
    assert caught.value.message == reason


def test_a_pinned_authority_has_to_be_above_the_leaf() -> None:
    settings = CertificateSettings(authorities=(CA.fingerprint(hashes.SHA256()).hex(),))
    assert asked(Certificates("machines", settings), CHAIN) is not None
    with pytest.raises(Refused, match="is a pinned authority"):
        asked(Certificates("machines", settings), Login(certificates=(pem(LEAF),)))


def test_without_a_verified_certificate_the_backend_is_not_responsible() -> None:
    assert asked(Certificates("machines", CertificateSettings()), Login(user="sensor7")) is None


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Refused, match="the client certificate is not a certificate that can be read"):
        asked(Certificates("machines", CertificateSettings()), Login(certificates=("junk",)))


SOURCE = """
import asyncio
from seedless.errors import Refused
from seedless.serve.login import Identity, Login

def of_user(login: Login) -> Identity | None:
    if login.password == "fails":
        raise ValueError(login.password)
    if login.password == "wrong":
        raise Refused("not today")
    return Identity(backend="x", name=login.user) if login.user else None

async def later(login: Login) -> Identity | None:
    await asyncio.sleep(0)
    return of_user(login)

def wrong_kind(login: Login) -> str:
    return login.password

def wrong_member(login: Login) -> Identity:
    return Identity(backend="x", name=login.user, tags=7)

number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that is found by the path of the settings."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "deciders.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.delitem(sys.modules, "deciders", raising=False)
    return "deciders"


@pytest.mark.parametrize("function", ["of_user", "later"])
def test_a_function_decides_in_the_name_of_its_backend(tmp_path: Path, module: str, function: str) -> None:
    backend = UserFunction("own", FunctionSettings(function=f"{module}:{function}", path=tmp_path))
    assert asked(backend, Login(user="ada")) == Identity(backend="own", name="ada")
    assert asked(backend, Login()) is None
    with pytest.raises(Refused, match=r"^not today$"):
        asked(backend, Login(user="ada", password="wrong"))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("of_user", "the function failed: ValueError at deciders.py:8"),
        ("later", "the function failed: ValueError at deciders.py:8"),
        ("wrong_kind", "the function returned str, and no Identity"),
        ("wrong_member", "the function returned an Identity with members of other types"),
    ],
)
def test_a_function_that_fails_refuses_and_its_error_is_not_shown(
    tmp_path: Path, module: str, function: str, reason: str
) -> None:
    backend = UserFunction("own", FunctionSettings(function=f"{module}:{function}", path=tmp_path))
    with pytest.raises(BackendError) as caught:
        asked(backend, Login(user="ada", password="fails"))
    assert caught.value.message == reason
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("deciders", "deciders is not a function"),
        ("deciders:no-name", "deciders:no-name is not a function"),
        ("deciders:absent", "the module deciders has no function absent"),
        ("deciders:number", "the module deciders has no function number"),
        ("no.such:f", "the module no.such cannot be imported: No module named 'no'"),
        ("broken:f", "the module broken cannot be imported: division by zero"),
    ],
)
def test_a_function_that_is_not_there_is_reported_at_the_start(
    tmp_path: Path, module: str, function: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        UserFunction("own", FunctionSettings(function=function, path=tmp_path))
    assert caught.value.message == sentence


def test_a_folder_of_functions_that_others_can_write_is_refused(tmp_path: Path, module: str) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError) as caught:
        UserFunction("own", FunctionSettings(function=f"{module}:of_user", path=tmp_path))
    assert caught.value.message == f"{tmp_path} can be written by others"
    assert caught.value.hint == f"what is in it decides who logs in: chmod go-w {tmp_path}"


def test_backends_are_asked_in_their_order_until_one_decides(tmp_path: Path, module: str) -> None:
    backends = open_backends(
        {
            "machines": CertificateSettings(),
            "own": FunctionSettings(function=f"{module}:of_user", path=tmp_path),
        }
    )
    names = [asyncio.run(identify(backends, login)).backend for login in (CHAIN, Login(user="ada"))]
    assert names == ["machines", "own"]
    with pytest.raises(Refused, match=r"^no backend is responsible for what was presented$"):
        asyncio.run(identify(backends, Login(token="x")))
