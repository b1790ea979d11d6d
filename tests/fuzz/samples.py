"""A good example of everything that is read, made by the writers of the package: mutations begin with it."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates

from seedless import plan_file
from seedless.ceremony import keys as ceremony_keys
from seedless.ceremony import offline
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.keys import CeremonyKey
from seedless.ceremony.request import prepare
from seedless.change import Change
from seedless.claims import (
    Account,
    AuthorizationRequest,
    ClientInfo,
    ConnectOptions,
    Export,
    Operator,
    Scope,
    ServerId,
    Template,
    User,
    WeightedMapping,
)
from seedless.creds import format_creds
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.keygen import request as key_request
from seedless.ledger import Ledger
from seedless.nkey import PublicKey, Role
from seedless.policy import read as read_policy
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord
from seedless.recovery.transcript import RESTORE as RESTORED
from seedless.recovery.transcript import (
    RestoreContent,
    RestoredKey,
    RestoredToken,
    RestoreTranscript,
    UsedShare,
)
from seedless.seeds import SoftwareKey
from seedless.serve.request import Sealing
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NOW = 1_750_000_000
OPERATOR, ACCOUNT, USER = (SoftwareKey(role, bytes(32)) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))
_KEYS = {key.public_key: key for key in (OPERATOR, ACCOUNT, USER)}
_SHARES = tuple(ShareRecord(number=at, holder=f"holder {at}", sha256="0" * 64) for at in (1, 2))
RECORD = RecoveryRecord(
    at=NOW, identifier=7, threshold=2, words=33, shares=_SHARES,
    keys=(KeyRecord(key=KeyName(role=Role.OPERATOR, name="ACME"), public_key=OPERATOR.public_key),),
)  # fmt: skip
RESTORE = RestoreTranscript(
    content=RestoreContent(
        kind=RESTORED, at=NOW, ended_at=NOW, tool="seedless", present=("Ada",),
        record=RECORD.to_bytes().decode(),
        shares=tuple(UsedShare(number=share.number, sha256=share.sha256) for share in _SHARES),
        token=RestoredToken(label="SPARE", serial="1", manufacturer="Acme", model="HSM", firmware="1.0"),
        keys=(RestoredKey(public_key=str(OPERATOR.public_key), uri="pkcs11:token=SPARE"),),
    ),
    receipts=("a.b.c",),
)  # fmt: skip
DEVICE = certificates.yubikey()
ATTESTATION = DEVICE.piv(bytes(OPERATOR.public_key.raw)).pem + DEVICE.own.pem + DEVICE.root.pem
HSM = certificates.yubihsm()
URI = "pkcs11:token=demo;serial=10be1048a1330d40;object=account:ORDERS;id=%2F%C6;type=private"

ISSUER = "https://sso.example.com"
_PROVIDER = ec.derive_private_key(7, ec.SECP256R1())
JWKS = json.dumps(
    {"keys": [{**ECAlgorithm.to_jwk(_PROVIDER.public_key(), as_dict=True), "kid": "k1", "use": "sig"}]}
).encode()
TOKEN = pyjwt.encode(
    {"iss": ISSUER, "aud": "nats", "sub": "ada", "iat": NOW, "exp": 2**40},
    _PROVIDER,
    algorithm="ES256",
    headers={"kid": "k1"},
).encode()
USERS = b"""
[ada]
password = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
tags = ["dept:sales"]
attributes = { groups = ["clerks"], tenant = "acme" }
"""
CALLOUT = f"""
servers = ["nats://127.0.0.1:4222"]
mode = "operator"
account = "{ACCOUNT.public_key}"
signing-key = "file:/run/callout.nk"
[accounts.ORDERS]
key = "AAFVCOWZWSJEAFOKBEBO2B4QITJ2YXN6YIYG6BUURQINVDVW4OPS3YM3"
roles = {{ clerk = "pkcs11:token=demo" }}
[backends.sso]
kind = "oidc"
issuer = "{ISSUER}"
audience = ["nats"]
[[rules]]
when = {{ networks = ["10.0.0.0/8"], attributes = {{ groups = ["clerks"] }} }}
account = "ORDERS"
role = "clerk"
validity = "12h"
""".encode()


class Keys:
    """Keys in software, as a ceremony takes them."""

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            yield one.complete(_KEYS[one.issuer].sign(one.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        return {"label": str(public_key), "serial": "10be1048a1330d40"}


def _signed(own: SoftwareKey, name: str, body: object, by: SoftwareKey) -> Jwt[Any]:
    made = draft(Claims(sub=str(own.public_key), name=name, body=body), by.public_key, NOW)
    return next(iter(Keys().sign([made])))


OPERATOR_JWT = _signed(OPERATOR, "ACME", Operator.new(), OPERATOR)
ACCOUNT_BODY = msgspec.structs.replace(
    Account.new(),
    exports=(Export(subject="orders.>", type="stream"), Export(subject="price.*", type="service")),
    mappings={"a": (WeightedMapping(subject="b", weight=50),)},
    revocations={"*": NOW},
    signing_keys=(Scope(key=str(PublicKey(Role.ACCOUNT, b"1" * 32)), role="r", template=Template()),),
)
ACCOUNT_JWT = _signed(ACCOUNT, "ORDERS", ACCOUNT_BODY, OPERATOR)
USER_JWT = _signed(USER, "app", User.new(), ACCOUNT)
SERVER_KEY, CURVE = SoftwareKey(Role.SERVER, bytes(32)), SoftwareKey(Role.CURVE, bytes(32))
_AUTHORIZATION = draft(
    Claims(
        sub=str(ACCOUNT.public_key),
        aud="nats-authorization-request",
        exp=NOW + 2,
        body=AuthorizationRequest(
            server_id=ServerId(name="n0", host="nats", id=str(SERVER_KEY.public_key)),
            user_nkey=str(USER.public_key),
            client_info=ClientInfo(host="10.0.0.1", kind="Client", type="nats", nonce="x"),
            connect_opts=ConnectOptions(user="ann", password="p", nkey=str(USER.public_key), sig="x"),
        ),
    ),
    SERVER_KEY.public_key,
    NOW,
)
AUTHORIZATION_REQUEST = _AUTHORIZATION.complete(SERVER_KEY.sign(_AUTHORIZATION.signing_input))
SEALED = Sealing(CURVE).seal(AUTHORIZATION_REQUEST.text, str(CURVE.public_key))
CREDS = format_creds(USER_JWT, USER).encode()
POLICY = f"""\
operator = "{OPERATOR.public_key}"
tokens = ["10be1048a1330d40"]
[validity.user]
longest = "30d"
[subjects]
reserved = ["secret.>"]
[witnesses]
keys = ["{PublicKey(Role.USER, b"2" * 32)}"]
threshold = 0
[attestation]
roots = ["{"0f" * 32}"]
required = ["operator"]
""".replace("threshold = 0", "threshold = 1").encode()


def _plan() -> Plan:
    before = ACCOUNT_JWT
    body = msgspec.structs.replace(ACCOUNT_BODY, tags=("team:a",))
    made = draft(Claims(sub=before.claims.sub, name="ORDERS", body=body), OPERATOR.public_key, NOW + 1)
    return Plan((Change(made, before, "a tag", ("ORDERS",)),), NOW + 1, (OPERATOR_JWT,))


PLAN = plan_file.to_bytes(_plan())
REQUEST = prepare(
    _plan(),
    at=NOW + 1,
    operator=OPERATOR_JWT,
    reason="a tag",
    prepared_by="Grace",
    expires=NOW + 9999,
    tool="x",
)
DRAFT = REQUEST.plan.changes[0].draft


def _ceremony() -> tuple[bytes, bytes, bytes]:
    """Return transcript, result and ledger of a ceremony."""
    policy = read_policy(f'operator = "{OPERATOR.public_key}"\n'.encode())
    review_context = ReviewContext(
        request=REQUEST, policy=policy, ledger=Ledger(), now=NOW + 5, first_use=("all",)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = offline.CeremonyRun(
            review_context=review_context,
            folder=folder / "c",
            ledger=folder / "l",
            clock=lambda: NOW + 5,
            present=("Ada",),
        )
        result = offline.run_ceremony(
            run, review=lambda *_: True, keys=lambda: contextlib.nullcontext(Keys())
        )
        return (folder / "c" / offline.TRANSCRIPT_NAME).read_bytes(), result, (folder / "l").read_bytes()


TRANSCRIPT, RESULT, LEDGER = _ceremony()
_MADE = CeremonyKey(
    public_key=OPERATOR.public_key,
    name="ACME",
    holder="Grace",
    uri=URI,
    at=NOW,
    driver_report={"serial": "1"},
)
STATEMENT = next(iter(Keys().sign([_MADE.draft()]))).text.encode()
MARK = b'{"managed":false,"name":"ACME","kind":"operator","version":"1"}'
KEYS = ceremony_keys.to_bytes([next(iter(Keys().sign([_MADE.draft()]))).text])
INVENTORY = (
    Inventory.of([KeyEntry(public_key=ACCOUNT.public_key, uri=URI, role=Role.ACCOUNT, name="ORDERS", at=NOW)])
    .text()
    .encode()
)
PENDING_KEYS = json.dumps(
    {"version": 1, "keys": [{"role": "account", "name": "ORDERS", "uri": URI, "until": "registered"}]}
).encode()
DESIRED_TOML = b"""\
[operator]
name = "ACME"
[accounts.ORDERS]
limits = { conn = 100, data = "1GiB" }
exports = [{ type = "stream", subject = "orders.>" }]
[accounts.ORDERS.users.app]
pub = { allow = ["orders.>"] }
exp = "30d"
"""
DESIRED_JSON = json.dumps(
    {"operator": {"name": "ACME"}, "accounts": {"ORDERS": {"tags": ["a"], "users": {"app": {}}}}}
).encode()
SERVER = f"""\
operator: {OPERATOR_JWT.text}
resolver: MEMORY
resolver_preload {{ {ACCOUNT.public_key}: {ACCOUNT_JWT.text} }}
port: 4222  # the usual one
jetstream {{ max_mem: 1GB, store_dir: "/data" }}
websocket {{ port: 443, no_tls: true, token: $PASS }}
leafnodes {{ remotes [ {{ url: "nats://u:p@host:7422" }} ] }}
""".encode()
CONFIG = b"""\
store = "/srv/nats"
modules = ["/usr/lib/softhsm/libsofthsm2.so"]
pin-source = "file:/run/secrets/pin"
[uris]
ceremony = "pkcs11:token=ops;serial=1234"
[contexts.production]
store = "/srv/nats"
token = "ceremony"
"""
ANSWERS = (
    json.dumps({"server": {"id": "N1", "name": "a"}, "data": [str(ACCOUNT.public_key)]}).encode(),
    json.dumps({"server": {"id": "N1", "name": "a"}, "error": {"code": 500, "description": "no"}}).encode(),
    json.dumps({"server": {"id": "N1", "name": "a"}, "data": {"code": 200, "message": "ok"}}).encode(),
    json.dumps({"server": {"id": "N1", "name": "a"}, "statsz": {"routes": [{"rid": 1}]}}).encode(),
)

KEY_SPECIFICATION = b"""\
format = "seedless key specification 1"
operator = "ACME"
[[keys]]
role = "operator"
name = "ACME"
holder = "Ada"
[[people]]
name = "Ada"
role = "holder"
"""
KEY_REQUEST = key_request.prepare(
    key_request.read_specification(KEY_SPECIFICATION, "keys.toml"),
    reason="keys", prepared_by="Grace", prepared_at=NOW, expires=NOW + 9999, tool="x",
)  # fmt: skip
YKMAN = (
    b"PIV version: 5.7.4\nPIN tries remaining: 3/3\nManagement key algorithm: AES192\n"
    b"WARNING: Using default PIN!\nCHUID: No data available\nSlot 9C (SIGNATURE):\n"
)
YUBIHSM_SHELL = b"Version number:\t\t2.4.0\nSerial number:\t\t7550054\nLog used:\t\t13/62\n"
