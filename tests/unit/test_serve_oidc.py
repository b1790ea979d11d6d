"""The backend of OpenID tokens, beside a provider on this machine with keys of the tests."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from seedless.errors import BackendError, Refused, ServerError, StoreError
from seedless.serve.backends.oidc import ClaimNames, OidcProvider, OidcSettings, read_jwks
from seedless.serve.login import Identity, Login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000
EC_KEY, OTHER_KEY = (ec.derive_private_key(number, ec.SECP256R1()) for number in (7, 8))
ED_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - which is refused
ISSUER = "https://sso.example.com"


def entry(key: Any, kid: str, **more: str) -> dict[str, Any]:  # noqa: ANN401 - keys of the library
    """Return the JWK of the public half of *key*."""
    kinds: list[tuple[type, Any]] = [
        (ec.EllipticCurvePrivateKey, ECAlgorithm),
        (rsa.RSAPrivateKey, RSAAlgorithm),
        (Ed25519PrivateKey, OKPAlgorithm),
    ]
    algorithm = next(algorithm for kind, algorithm in kinds if isinstance(key, kind))
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def jwks(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


ENTRIES = (
    entry(EC_KEY, "ec", use="sig", alg="ES256"),
    entry(RSA_KEY, "rsa"),
    entry(ED_KEY, "ed"),
    entry(EC_KEY, "for encryption", use="enc"),
    entry(SHORT_KEY, "short"),
    {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
    {"kty": "EC", "kid": "damaged", "crv": "P-256", "x": "AA", "y": "AA"},
)
CLAIMS = {
    "iss": ISSUER,
    "aud": ["web", "nats"],
    "sub": "ada",
    "iat": NOW - 10,
    "exp": NOW + 300,
    "email": "ada@example.com",
    "realm_access": {"roles": ["clerk", "auditor"]},
    "https://example.com/tenant": "acme",
    "level": 7,
    "is_admin": False,
}


def token(key: Any = EC_KEY, algorithm: str = "ES256", kid: str | None = "ec", **claims: Any) -> str:  # noqa: ANN401 - keys and values
    """Return a token with the claims above, but for *claims*; None takes one out."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return pyjwt.encode(merged, key, algorithm=algorithm, headers=headers)


class Timer:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def provider(path: Path, **settings: Any) -> OidcProvider:  # noqa: ANN401 - members of the settings
    """Return a backend with the keys above in a file."""
    path = path / "jwks.json"
    path.write_bytes(jwks(*ENTRIES))
    chosen = OidcSettings(**{"issuer": ISSUER, "audience": ("nats",), "jwks": path, **settings})
    return OidcProvider("sso", chosen, clock=lambda: NOW)


def asked(backend: OidcProvider, login: Login) -> Identity | str | None:
    """Return who logs in, or why that is refused."""
    try:
        return asyncio.run(backend.identify(login))
    except (BackendError, Refused) as error:
        return error.message


ADA = Identity(backend="sso", name="ada", expires=NOW + 300)


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        pytest.param(Login(token=token()), ADA, id="in the token"),
        pytest.param(Login(user="x", password=token()), ADA, id="as the password"),
        pytest.param(Login(token=token(RSA_KEY, "RS256", "rsa")), ADA, id="RSA"),
        pytest.param(Login(token=token(ED_KEY, "EdDSA", "ed")), ADA, id="Ed25519"),
        pytest.param(Login(token=token(aud="nats")), ADA, id="one audience"),
        pytest.param(Login(token=token(nbf=NOW)), ADA, id="not before now"),
        pytest.param(Login(token=token(exp=NOW + 300.5)), ADA, id="a fraction of a second"),
        pytest.param(Login(), None, id="no token"),
        pytest.param(Login(token="secret"), None, id="no jwt"),
        pytest.param(Login(token="eyJ.eyJ.x"), None, id="a damaged jwt"),
        pytest.param(Login(token=token(iss="https://other.example.com")), None, id="another issuer"),
        pytest.param(Login(token=token(iss=None)), None, id="no issuer"),
        pytest.param(Login(token=token(pad="x" * 16384)), None, id="too long"),
    ],
)
def test_a_token_of_the_issuer_names_the_identity(tmp_path: Path, login: Login, expected: object) -> None:
    assert asked(provider(tmp_path), login) == expected


FORGED = token(OTHER_KEY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(FORGED, "the token is refused: Signature verification failed", id="forged"),
        pytest.param(
            token(aud="web"), "the token is refused: Audience doesn't match", id="for somebody else"
        ),
        pytest.param(
            token(aud=None), 'the token is refused: Token is missing the "aud" claim', id="for nobody"
        ),
        pytest.param(token(exp=NOW), "the token expired 2027-01-15 08:00:00 UTC", id="expired"),
        pytest.param(token(exp=None), 'the token is refused: Token is missing the "exp" claim', id="no exp"),
        pytest.param(token(exp=True), "the token has no time exp", id="exp that is not a number"),
        pytest.param(token(exp="never"), "the token has no time exp", id="exp that is text"),
        pytest.param(
            token(iat=NOW + 1), "the token is not valid before 2027-01-15 08:00:01 UTC", id="iat ahead"
        ),
        pytest.param(
            token(nbf=NOW + 60), "the token is not valid before 2027-01-15 08:01:00 UTC", id="nbf ahead"
        ),
        pytest.param(token(sub=None), "the token has 0 values of sub, and one is required", id="no name"),
        pytest.param(token(kid="gone"), "the provider has no key gone", id="unknown key"),
        pytest.param(token(kid=None), "the provider has no key None", id="no kid, and several keys"),
        pytest.param(token(kid="for encryption"), "the provider has no key for encryption", id="use enc"),
        pytest.param(
            token(RSA_KEY, "RS256", "short"), "the provider has no key short", id="a short key of RSA"
        ),
        pytest.param(
            token("secret" * 6, "HS256", "secret"), "the token's algorithm HS256 is not accepted", id="HMAC"
        ),
        pytest.param(token("", "none"), "the token's algorithm none is not accepted", id="none"),
        pytest.param(
            token(RSA_KEY, "RS512", "rsa"), "the token's algorithm RS512 is not accepted", id="not listed"
        ),
        pytest.param(
            token(RSA_KEY, "RS256", "ec"),
            "the token's algorithm RS256 is not that of its key",
            id="another kind of key",
        ),
        pytest.param(
            pyjwt.encode(CLAIMS, EC_KEY, algorithm="ES256", headers={"kid": "ec", "crit": ["x"], "x": 1}),
            "the token has critical headers, and none is known",
            id="critical headers",
        ),
    ],
)
def test_a_token_of_the_issuer_that_proves_nothing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert asked(provider(tmp_path), Login(token=text)) == reason


def test_an_hmac_by_the_public_key_is_refused_even_if_a_policy_lists_hmac(tmp_path: Path) -> None:
    header = {"alg": "HS256", "kid": "ec"}
    forged = pyjwt.encode(CLAIMS, "x" * 32, algorithm="HS256", headers=header)
    settings = {"algorithms": ("HS256", "ES256")}  # which the reader of the configuration refuses
    refused = asked(provider(tmp_path, **settings), Login(token=forged))
    assert refused == "the token's algorithm HS256 is not that of its key"


def test_a_key_that_states_its_algorithm_is_used_with_no_other(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(jwks(entry(RSA_KEY, "rsa", alg="PS256")))
    backend = provider(tmp_path, jwks=path)
    reason = "the token's algorithm RS256 is not that of its key"
    assert asked(backend, Login(token=token(RSA_KEY, "RS256", "rsa"))) == reason


def test_a_token_without_a_kid_is_of_the_only_key(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(jwks(entry(EC_KEY, "ec")))
    assert asked(provider(tmp_path, jwks=path), Login(token=token(kid=None))) == ADA


def test_claims_become_what_the_settings_name(tmp_path: Path) -> None:
    names = ClaimNames(
        name="email",
        account="https://example.com/tenant",
        role="level",
        tags={"role": "realm_access.roles"},
        attributes={
            "roles": "realm_access.roles",
            "admin": "is_admin",
            "absent": "a.b",
            "whole": "realm_access",
        },
    )
    assert asked(provider(tmp_path, claims=names, suffix="@example.com"), Login(token=token())) == Identity(
        backend="sso",
        name="ada",
        account="acme",
        role="7",
        tags=("role:clerk", "role:auditor"),
        attributes={"roles": ("clerk", "auditor"), "admin": ("false",)},
        expires=NOW + 300,
    )


def test_a_name_without_the_end_that_all_have_is_refused(tmp_path: Path) -> None:
    backend = provider(tmp_path, claims=ClaimNames(name="email"), suffix="@example.com")
    refused = asked(backend, Login(token=token(email="ada@example.com.evil.org")))
    assert refused == "the name ada@example.com.evil.org does not end with @example.com"


def test_clocks_may_differ_by_the_leeway(tmp_path: Path) -> None:
    backend = provider(tmp_path, leeway=30)
    late = asked(backend, Login(token=token(exp=NOW - 29)))
    assert late == Identity(backend="sso", name="ada", expires=NOW + 1)
    assert asked(backend, Login(token=token(exp=NOW - 30))) == "the token expired 2027-01-15 07:59:30 UTC"
    assert isinstance(asked(backend, Login(token=token(iat=NOW + 30))), Identity)


class Site(ThreadingHTTPServer):
    """A provider: what its pages contain, and which of them were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.pages: dict[str, bytes] = {
            "/.well-known/openid-configuration": json.dumps(
                {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            ).encode(),
            "/keys": jwks(entry(EC_KEY, "ec")),
        }


class Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        data = self.server.pages.get(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/keys")
        else:
            self.send_response(404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def of_site(site: Site, timer: Timer, **settings: Any) -> OidcProvider:  # noqa: ANN401 - members of the settings
    chosen = OidcSettings(**{"issuer": site.url, "audience": ("nats",), **settings})
    return OidcProvider("sso", chosen, clock=lambda: NOW, timer=timer)


def test_keys_are_found_by_discovery_and_kept(site: Site) -> None:
    backend = of_site(site, Timer())
    for _ in range(3):
        assert asked(backend, Login(token=token(iss=site.url))) == ADA
    assert site.asked == ["/.well-known/openid-configuration", "/keys"]


def test_an_unknown_key_has_them_fetched_again_once_a_minute(site: Site) -> None:
    timer = Timer()
    backend = of_site(site, timer, jwks=f"{site.url}/keys")
    rotated = Login(token=token(OTHER_KEY, kid="next", iss=site.url))
    assert asked(backend, Login(token=token(iss=site.url))) == ADA
    site.pages["/keys"] = jwks(entry(OTHER_KEY, "next"))
    timer.now = 59.0
    assert asked(backend, rotated) == "the provider has no key next"
    assert site.asked == ["/keys"]
    timer.now = 60.0
    assert asked(backend, rotated) == ADA
    assert asked(backend, Login(token=token(iss=site.url))) == "the provider has no key ec"
    assert site.asked == ["/keys", "/keys"]


def test_logins_at_once_have_the_keys_fetched_once(site: Site) -> None:
    timer = Timer()
    backend = of_site(site, timer, jwks=f"{site.url}/keys")

    async def many(text: str) -> list[Identity | None]:
        return list(await asyncio.gather(*(backend.identify(Login(token=text)) for _ in range(8))))

    async def before_and_after_a_rotation() -> None:
        assert await many(token(iss=site.url)) == [ADA] * 8
        assert site.asked == ["/keys"]
        site.pages["/keys"] = jwks(entry(OTHER_KEY, "next"))
        timer.now = 60.0
        assert await many(token(OTHER_KEY, kid="next", iss=site.url)) == [ADA] * 8
        assert site.asked == ["/keys", "/keys"]

    asyncio.run(before_and_after_a_rotation())


def test_while_the_provider_is_away_its_keys_are_used_for_a_day(site: Site) -> None:
    timer = Timer()
    backend = of_site(site, timer, jwks=f"{site.url}/keys")
    login = Login(token=token(iss=site.url))
    assert asked(backend, login) == ADA
    del site.pages["/keys"]
    timer.now = 86400.0
    assert asked(backend, login) == ADA
    timer.now = 86401.0
    assert asked(backend, login) == f"there are no keys of {site.url}"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        pytest.param("/keys", b"", id="nothing"),
        pytest.param("/keys", b"{", id="no JSON"),
        pytest.param("/keys", b"[]", id="a list"),
        pytest.param("/keys", b'{"keys":[]}', id="no key"),
        pytest.param("/keys", b'{"keys":[{"kty":"oct","k":"eA","kid":"ec"}]}', id="a symmetric key"),
        pytest.param("/keys", b" " * (1024**2 + 1), id="too large"),
        pytest.param(
            "/.well-known/openid-configuration",
            b'{"issuer":"https://sso.example.com","jwks_uri":"ISSUER/keys"}',
            id="discovery of another issuer",
        ),
        pytest.param("/.well-known/openid-configuration", b'{"issuer":"ISSUER"}', id="no jwks_uri"),
        pytest.param(
            "/.well-known/openid-configuration",
            b'{"issuer":"ISSUER","jwks_uri":"http://sso.example.com/keys"}',
            id="keys by http",
        ),
        pytest.param(
            "/.well-known/openid-configuration",
            b'{"issuer":"ISSUER","jwks_uri":"ISSUER/moved"}',
            id="a redirect",
        ),
    ],
)
def test_without_usable_keys_tokens_are_refused_and_the_reason_is_logged(
    site: Site, path: str, page: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    site.pages[path] = page.replace(b"ISSUER", site.url.encode())
    refused = asked(of_site(site, Timer()), Login(token=token(iss=site.url)))
    assert refused == f"there are no keys of {site.url}"
    assert caplog.records[0].getMessage().startswith(f"backend sso: no keys of {site.url}: ")


def test_a_file_of_keys_is_read_at_the_start(tmp_path: Path) -> None:
    settings = OidcSettings(issuer=ISSUER, audience=("nats",), jwks=tmp_path / "jwks.json")
    with pytest.raises(StoreError) as caught:
        OidcProvider("sso", settings)
    assert caught.value.message == f"there is no file {tmp_path}/jwks.json"
    (tmp_path / "jwks.json").write_bytes(b"{}")
    with pytest.raises(ServerError, match="the JWKS has no key that can verify a token"):
        OidcProvider("sso", settings)
    (tmp_path / "jwks.json").chmod(0o666)
    with pytest.raises(StoreError, match="can be written by others"):
        OidcProvider("sso", settings)


def test_without_an_audience_tokens_for_anybody_would_be_accepted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^backends.sso.audience is empty$"):
        provider(tmp_path, audience=())


def test_of_a_jwks_only_public_keys_for_signatures_are_read() -> None:
    assert sorted(read_jwks(jwks(*ENTRIES))) == ["ec", "ed", "rsa"]


def test_a_key_in_a_jwks_whose_type_is_no_text_is_skipped() -> None:
    assert sorted(read_jwks(jwks({**ENTRIES[0], "kty": []}, *ENTRIES))) == ["ec", "ed", "rsa"]


def test_nothing_of_a_token_is_in_an_error_or_a_repr(tmp_path: Path) -> None:
    refused = asked(provider(tmp_path), Login(token=FORGED))
    assert not any(part in f"{refused} {Login(token=FORGED)!r}" for part in FORGED.split("."))
