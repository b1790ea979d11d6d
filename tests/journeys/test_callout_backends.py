"""The backends of a callout at a real nats-server, in both modes: a file, OpenID, certificates, a function.

The server requires certificates of all clients. Its callout asks the backend of certificates last, and
accepts only the names of devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import ipaddress
import json
import ssl
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from msgspec.structs import replace

from seedless.claims import Account, ExternalAuthorization, Operator, Permission, Scope, Template, User
from seedless.creds import format_creds
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends.users import entry, hash_password
from seedless.serve.logs import EventLog
from seedless.serve.process import CalloutProcess, ServiceLoader
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Connect = Callable[..., Any]
    StartServer = Callable[[str], Any]

ISSUER = "https://sso.example.com"
PROVIDER, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
_PATIENCE = 10.0
_KEY_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_OWN = '"orders.{{name()}}.>"'


class Authority:
    """A certificate authority, and the certificates that it issues, as files in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
        self.path = self._write("ca.pem", self._certify("Example CA", self._key.public_key(), is_ca=True))

    def issue(self, name: str, *others: x509.GeneralName) -> tuple[Path, Path]:
        """Return certificate and key of *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._certify(name, key.public_key(), *others)
        return self._write(f"{name}.pem", certificate), self._write(f"{name}.key", text)

    def context(self, files: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.path))
        context.load_cert_chain(*files)
        return context

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def _certify(
        self, name: str, public: ec.EllipticCurvePublicKey, *others: x509.GeneralName, is_ca: bool = False
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(identifier, critical=False)
        )
        if (
            is_ca
        ):  # without it, no certificate of this authority is accepted from Python 3.13 on (RFC 5280, 4.2.1.3)
            usage = dict.fromkeys(_KEY_USES, False) | {"key_cert_sign": True}
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, int(time.time()))
    return made.complete(key.sign(made.signing_input))


@dataclass
class Mode:
    """How the server authenticates: its configuration, that of the callout, and how accounts are called."""

    server: str
    callout: str
    accounts: dict[str, str]


def operator_mode(folder: Path) -> Mode:
    operator, service = SoftwareKey.generate(Role.OPERATOR), SoftwareKey.generate(Role.USER)
    auth, system, orders, devices, clerk, sensor = (SoftwareKey.generate(Role.ACCOUNT) for _ in range(6))

    def account(name: str, key: SoftwareKey, **changes: object) -> Jwt[Account]:
        claims = Claims(sub=str(key.public_key), body=replace(Account.new(), **changes), name=name)
        return signed(claims, operator)

    def user(key: SoftwareKey, body: User) -> Jwt[User]:
        return signed(Claims(sub=str(key.public_key), body=body, name="user"), auth)

    own = Permission(allow=("orders.{{name()}}.>", "_INBOX.>", "$SYS.REQ.USER.INFO"))
    scopes = [
        Scope(key=str(key.public_key), role="clerk", template=Template(pub=own, sub=own))
        for key in (clerk, sensor)
    ]
    authorization = ExternalAuthorization(auth_users=(str(service.public_key),), allowed_accounts=("*",))
    accounts = [
        account("AUTH", auth, authorization=authorization),
        account("SYS", system),
        account("ORDERS", orders, signing_keys=(scopes[0],)),
        account("DEVICES", devices, signing_keys=(scopes[1],)),
    ]
    body = Operator(system_account=str(system.public_key))
    root = signed(Claims(sub=str(operator.public_key), body=body, name="ACME"), operator)
    nothing = Permission(deny=(">",))
    sentinel = user(
        SoftwareKey.generate(Role.USER), replace(User.new(), bearer_token=True, pub=nothing, sub=nothing)
    )
    texts = {
        "service.creds": format_creds(user(service, User.new()), service),
        "auth.nk": auth.reveal(),
        "clerk.nk": clerk.reveal(),
        "sensor.nk": sensor.reveal(),
    }
    write(folder, texts)
    server = memory(root, accounts, str(system.public_key)) + f'\ndefault_sentinel: "{sentinel.text}"\n'
    callout = f"""
mode = "operator"
creds = "{folder}/service.creds"
account = "{auth.public_key}"
signing-key = "file:{folder}/auth.nk"
[accounts.ORDERS]
key = "{orders.public_key}"
roles = {{ clerk = "file:{folder}/clerk.nk" }}
[accounts.DEVICES]
key = "{devices.public_key}"
roles = {{ clerk = "file:{folder}/sensor.nk" }}
"""
    names = {"ORDERS": str(orders.public_key), "DEVICES": str(devices.public_key)}
    return Mode(server, callout + rules('role = "clerk"'), names)


def configuration_mode(folder: Path) -> Mode:
    issuer, service = SoftwareKey.generate(Role.ACCOUNT), SoftwareKey.generate(Role.USER)
    write(folder, {"issuer.nk": issuer.reveal(), "service.nk": service.reveal()})
    server = f"""
accounts {{ AUTH {{ users: [{{ nkey: {service.public_key} }}] }}, ORDERS {{}}, DEVICES {{}} }}
authorization {{
  auth_callout {{ issuer: {issuer.public_key}, account: AUTH, auth_users: [{service.public_key}] }}
}}
"""
    callout = f"""
mode = "configuration"
nkey = "{folder}/service.nk"
account = "AUTH"
signing-key = "file:{folder}/issuer.nk"
[accounts.ORDERS]
[accounts.DEVICES]
"""
    own = '["orders.{{name}}.>", "_INBOX.>", "$SYS.REQ.USER.INFO"]'
    permissions = f"permissions = {{ pub = {{ allow = {own} }}, sub = {{ allow = {own} }} }}"
    return Mode(server, callout + rules(permissions), {"ORDERS": "ORDERS", "DEVICES": "DEVICES"})


def rules(given: str) -> str:
    return f"""
[[rules]]
when = {{ backends = ["devices"] }}
account = "DEVICES"
{given}
[[rules]]
when = {{ connections = ["STANDARD"], networks = ["127.0.0.0/8"] }}
account = "ORDERS"
{given}
"""


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)


FUNCTION = """
from seedless.serve.login import Identity, Login

async def identify(login: Login) -> Identity | None:
    return Identity(backend="", name="visitor") if login.user == "guest" and not login.password else None
"""


def backends(folder: Path) -> str:
    key = {**ECAlgorithm.to_jwk(PROVIDER.public_key(), as_dict=True), "kid": "k1"}
    texts = {
        "users.toml": entry("ann", hash_password("correct horse")),
        "jwks.json": json.dumps({"keys": [key]}),
        "own_decisions.py": FUNCTION,
    }
    write(folder, texts)
    return f"""
[backends.guests]
kind = "python"
function = "own_decisions:identify"
path = "{folder}"
[backends.staff]
kind = "users"
file = "{folder}/users.toml"
[backends.sso]
kind = "oidc"
issuer = "{ISSUER}"
audience = ["nats"]
jwks = "file:{folder}/jwks.json"
claims = {{ name = "email" }}
suffix = "@example.com"
[backends.devices]
kind = "certificate"
name = "dns"
suffix = ".devices.example.com"
"""


@dataclass
class Server:
    """A server, the files of its clients, and the log of its callout, which runs in a thread."""

    url: str
    mode: Mode
    authority: Authority
    files: dict[str, tuple[Path, Path]]
    log: io.StringIO


@dataclass
class Office:
    """A server, and how a client logs in to it."""

    server: Server
    session: Connect

    def log_in(self, certificate: str = "person", **options: str) -> dict[str, Any] | str:
        """Return what the server states of the user who logs in, or why it refuses."""
        client = self.session(
            self.server.url, tls=self.server.authority.context(self.server.files[certificate]), **options
        )
        if client.refusal:
            return str(client.refusal)
        client.subscribe("_INBOX.me")
        client.publish("$SYS.REQ.USER.INFO", b"", "_INBOX.me")
        data: dict[str, Any] = json.loads(client.message())["data"]
        return data

    def reason(self) -> str:
        """Return the reason of the last refusal in the log."""
        lines = [json.loads(line) for line in self.server.log.getvalue().splitlines()]
        return str([line for line in lines if "reason" in line][-1]["reason"])


@pytest.fixture(scope="module", params=[operator_mode, configuration_mode], ids=["operator", "configuration"])
def server(
    request: pytest.FixtureRequest, shared_nats_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("callout")
    authority = Authority(folder)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    server_files = authority.issue("server", address)
    files = {
        "person": authority.issue("person", x509.DNSName("people.example.com")),
        "sensor": authority.issue("sensor", x509.DNSName("sensor7.devices.example.com")),
    }
    mode: Mode = request.param(folder)
    certificate, key = server_files
    tls = (
        f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.path}", verify: true }}'
    )
    server = shared_nats_server(f"{mode.server}\n{tls}\n")
    url = server.url.replace("nats://", "tls://")
    certificate, key = files["person"]
    text = f"""
servers = ["{url}"]
tls = {{ ca = "{authority.path}", cert = "{certificate}", key = "{key}" }}
bounds = {{ refusal-delay = "50ms" }}
{mode.callout}
{backends(folder)}
"""
    write(folder, {"callout.toml": text})
    with running(folder / "callout.toml") as log:
        yield Server(url, mode, authority, files, log)


@pytest.fixture
def office(server: Server, session: Connect) -> Office:
    return Office(server, session)


@contextlib.contextmanager
def running(configuration: Path) -> Iterator[io.StringIO]:
    """Run the callout of *configuration* in a thread, and give its log."""
    log, made = io.StringIO(), Future[tuple[CalloutProcess, asyncio.AbstractEventLoop]]()

    def on_token(uri: str) -> SoftwareKey:
        raise AssertionError(uri)

    async def serve() -> None:
        load = ServiceLoader(configuration, on_token)
        process = CalloutProcess(load, EventLog(log, "callout"), "0.1.0")
        made.set_result((process, asyncio.get_running_loop()))
        await process.run()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:  # noqa: BLE001 - who waits for it reports it
            made.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    process, loop = made.result(_PATIENCE)
    end = time.monotonic() + _PATIENCE
    while '"connected"' not in log.getvalue():
        assert time.monotonic() < end, log.getvalue()
        time.sleep(0.005)
    yield log
    loop.call_soon_threadsafe(process.stop)
    thread.join(_PATIENCE)
    assert not thread.is_alive(), log.getvalue()


def token(key: ec.EllipticCurvePrivateKey = PROVIDER, **changes: object) -> str:
    now = int(time.time())
    # Made when tests are collected, used minutes later.
    claims = {"iss": ISSUER, "aud": "nats", "iat": now - 60, "exp": now + 7200, "email": "eve@example.com"}
    return pyjwt.encode({**claims, **changes}, key, algorithm="ES256", headers={"kid": "k1"})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"user": "ann", "pass": "correct horse"}, "ann", id="password"),
        pytest.param({"auth_token": "ann:correct horse"}, "ann", id="password in the token"),
        pytest.param({"auth_token": token()}, "eve", id="OpenID"),
        pytest.param({"user": "anything", "pass": token()}, "eve", id="OpenID as the password"),
        pytest.param({"user": "guest", "pass": ""}, "visitor", id="function"),
    ],
)
def test_each_backend_names_who_logs_in_and_the_rule_places_them(
    office: Office, options: dict[str, str], name: str
) -> None:
    user = office.log_in(**options)
    assert isinstance(user, dict), user
    assert user["user"] == name
    assert user["account"] == office.server.mode.accounts["ORDERS"]
    assert f"orders.{name}.>" in user["permissions"]["publish"]["allow"]


def test_a_verified_certificate_names_a_device(office: Office) -> None:
    user = office.log_in("sensor")
    assert isinstance(user, dict), user
    assert user["user"] == "sensor7"
    assert user["account"] == office.server.mode.accounts["DEVICES"]


def test_a_user_ends_with_the_token_that_proved_it(office: Office) -> None:
    user = office.log_in(auth_token=token(exp=int(time.time()) + 100))
    assert isinstance(user, dict), user
    assert 50 * 10**9 < user["expires"] <= 100 * 10**9


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"user": "ann", "pass": "x"}, "the password is wrong", id="wrong password"),
        pytest.param({"auth_token": token(exp=1_700_000_000)}, "the token expired", id="expired"),
        pytest.param(
            {"auth_token": token(STRANGER)}, "the token is refused: Signature verification", id="forged"
        ),
        pytest.param(
            {"auth_token": token(aud="web")}, "the token is refused: Audience", id="for somebody else"
        ),
        pytest.param(
            {"auth_token": token(iss="https://other.example.com")},
            "the name people.example.com does not end with",
            id="foreign issuer",
        ),
        pytest.param({"user": "bob", "pass": "x"}, "the name people.example.com", id="unknown user"),
        pytest.param({}, "the name people.example.com does not end with", id="nothing"),
    ],
)
def test_who_proves_nothing_is_refused_and_the_log_has_the_reason(
    office: Office, options: dict[str, str], reason: str
) -> None:
    assert "Authorization Violation" in str(office.log_in(**options))
    assert office.reason().startswith(reason)
    secrets = {options.get("auth_token"), options.get("pass"), "correct horse"} - {None, "x"}
    assert not any(str(secret) in office.server.log.getvalue() for secret in secrets)
