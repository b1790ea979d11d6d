"""Everything in the package that reads bytes of others, and which modules do it.

Each reader takes any bytes and a folder of its own. What it returns does not count; it may raise a
`SeedlessError`, and nothing else, and takes a time that grows with the bytes. `PARSERS` names modules that
parse, each with the readers that reach it; a test looks through the source for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

sys.path.insert(0, str(Path(__file__).parent))

import samples

from seedless import (
    attestation,
    challenges,
    config,
    config_edit,
    creds,
    delegation,
    file_kind,
    inventory,
    jwt,
    ledger,
    migrate,
    nats_config,
    pending_keys,
    pin,
    plan_file,
    readiness,
    units,
)
from seedless import policy as policies
from seedless.app.delegation import read_key
from seedless.base64url import decode, decode_lenient, encode
from seedless.ceremony import check as recompute
from seedless.ceremony import keys, report, request, transcript, words
from seedless.ceremony.check import check
from seedless.ceremony.statements import read_ceremony_jwt
from seedless.change import Context
from seedless.claims import Account, User, edits, templates, url
from seedless.cli import input_files
from seedless.creds import decorate_seed
from seedless.desired.read import read as read_desired
from seedless.diff import diff
from seedless.errors import SeedlessError
from seedless.jwt import Claims, payload_of
from seedless.keygen import request as key_request
from seedless.lint import LintContext, judge_jwt
from seedless.nats_config.lint import lint_configuration
from seedless.nkey import PublicKey, unpack
from seedless.pkcs11.isolation import frames
from seedless.pkcs11.keys import ec_point, role_of, type_name
from seedless.pkcs11.uri import KeyUri
from seedless.policy import of_canonical
from seedless.recovery import record as recovery_record
from seedless.recovery import transcript as recovery_transcript
from seedless.resolver import delete, protocol
from seedless.resolver.connections import connected
from seedless.resolver.protocol import AccountServer
from seedless.resolver.targets import MemoryTarget
from seedless.seeds import SoftwareKey
from seedless.serve import config as callout_config
from seedless.serve import issuer
from seedless.serve.audit import read_entry
from seedless.serve.backends import oidc, users
from seedless.serve.doctor import instance_of, subscribers_of
from seedless.serve.login import Login
from seedless.serve.request import Sealing, read_request, require_plain
from seedless.serve.system_account import account_of_answer, listed_server
from seedless.store import open_store
from seedless.store.files import read_mark
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

Read = Callable[[bytes, Path], object]


@dataclass(frozen=True)
class Reader:
    """What reads, and good examples of what it reads."""

    read: Read
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _file(data: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _jwt(data: bytes, _: Path) -> object:
    """Read a jwt, judge it, compare it, show it: what `show`, `lint` and `diff` do."""
    found = jwt.read(_text(data))
    judge_jwt("it", found, LintContext(Context(samples.NOW)))
    return [line.line for line in diff(None, found.claims)]


def _payload(data: bytes, folder: Path) -> object:
    """Read a jwt with any payload whose signature verifies: it is by the key of the operator."""
    header = samples.OPERATOR_JWT.text.partition(".")[0]
    signed = f"{header}.{encode(data)}"
    return _jwt(f"{signed}.{encode(samples.OPERATOR.sign(signed.encode()))}".encode(), folder)


def _authorization_request(data: bytes, _: Path) -> object:
    """Read an authorization request with any payload, which its server has signed, also encrypted."""
    header = samples.OPERATOR_JWT.text.partition(".")[0]
    signed = f"{header}.{encode(data)}"
    text = f"{signed}.{encode(samples.SERVER_KEY.sign(signed.encode()))}"
    sealing, server = Sealing(samples.CURVE), str(samples.CURVE.public_key)
    opened = sealing.open(sealing.seal(text, server), server)
    subject = str(samples.ACCOUNT.public_key)
    return read_request(opened, "$SYS._INBOX.a.b", subject, samples.NOW)


def _claims(kind: str | None) -> Read:
    def read(data: bytes, _: Path) -> object:
        claims = jwt.claims_from_json(kind, data)
        return [line.line for line in diff(None, claims)]

    return read


def _policy(data: bytes, _: Path) -> object:
    found = policies.read(data)
    return of_canonical(found.canonical)


def _server(data: bytes, folder: Path) -> object:
    return lint_configuration(_file(data, folder / "server.conf"), {"PASS": "x"}, samples.NOW)


def _config(data: bytes, folder: Path) -> object:
    return config.load({"SEEDLESS_CONFIG": str(_file(data, folder / "config" / "config.toml"))})


def _edited_config(data: bytes, folder: Path) -> object:
    path = _file(data, folder / "config" / "config.toml")
    return config_edit.select_context({"SEEDLESS_CONFIG": str(path)}, None)


def _nsc(data: bytes, folder: Path) -> object:
    _file(data, folder / "nsc" / "nsc.json")
    return migrate.nsc_paths({"HOME": str(folder)}, config=folder / "nsc")


def _nk(data: bytes, folder: Path) -> object:
    path = _file(data, folder / f"{samples.USER.public_key}.nk")
    return migrate.seed_in(path), migrate.key_file_content(path, samples.USER.public_key)


def _store(data: bytes, folder: Path) -> object:
    _file(samples.MARK, folder / "stores" / "ACME" / ".nsc")
    _file(data, folder / "stores" / "ACME" / "ACME.jwt")
    _file(data, folder / "stores" / "ACME" / "accounts" / "A%2FB" / "A%2FB.jwt")
    store = open_store(folder, None)
    return store.children(), store.get()


def _mark(data: bytes, folder: Path) -> object:
    _file(data, folder / "stores" / "ACME" / ".nsc")
    return read_mark(folder / "stores" / "ACME"), open_store(folder, None).children()


def _answers(data: bytes, _: Path) -> object:
    """Read an answer as each of those that servers give; the last error is the one that counts."""
    readers = (protocol.ping_answers, protocol.server_reports, protocol.listings)
    failed = []
    for read in (*readers, lambda answers: protocol.answers_to("x", answers)):
        try:
            read([data])
        except SeedlessError as error:
            failed.append(error)
    if len(failed) > len(readers):
        raise failed[-1]
    return failed


def _connections(data: bytes, _: Path) -> object:
    servers = [AccountServer("N", "n1")]
    return connected(lambda asked: [[data] for _ in asked], servers, str(samples.ACCOUNT.public_key))


def _delegations(data: bytes, folder: Path) -> object:
    _file(data, folder / delegation.FILE_NAME)
    return delegation.load(folder)


def _delegated_key(data: bytes, folder: Path) -> object:
    return read_key(cast("Workspace", SimpleNamespace(clock=None)), _file(data, folder / "service.nk"))


def _issuer_request(data: bytes, _: Path) -> object:
    """Read a request of each kind; the last error is the one that counts."""
    for kind in (issuer.RevokeRequest, issuer.AccountRequest):
        with contextlib.suppress(SeedlessError):
            issuer.read_request(data, kind)
    return issuer.read_request(data, issuer.UserRequest)


def _frames_of(data: bytes, _: Path) -> object:
    try:
        return list(frames.take_frames(bytearray(data), frames.LONGEST_ANSWER))
    except frames.BrokenFrame:  # whoever listens takes the worker for dead
        return None


def _check_result(data: bytes, _: Path) -> object:
    return report.report(check(samples.REQUEST.data, data, samples.OPERATOR.public_key))


def _check_request(data: bytes, _: Path) -> object:
    return report.report(check(data, samples.RESULT, samples.OPERATOR.public_key))


def _recompute(data: bytes, _: Path) -> object:
    return recompute.recompute(samples.REQUEST.data, data)


def _setting(data: bytes, _: Path) -> object:
    path = _text(data).partition("=")[0]
    return edits.with_settings(edits.with_settings(Account.new(), [_text(data)]), [], [path])


def _units(data: bytes, _: Path) -> object:
    """Read durations and sizes, whose errors are ValueErrors for the options and files that hold them."""
    for read in (units.parse_span, units.parse_duration, units.parse_number, units.parse_moment):
        try:
            read(_text(data))
        except ValueError:
            continue
    return None


def _template(data: bytes, _: Path) -> object:
    entry = _text(data)
    claims = Claims(sub=str(samples.USER.public_key), body=User.new(), name=entry)
    return templates.calls(entry), templates.has_stray_braces(entry), shown(claims.name)


def _attestation(data: bytes, _: Path) -> object:
    """Read certificates, and verify them as the attestation of the operator's key."""
    key = samples.OPERATOR.public_key
    roots = {samples.DEVICE.root.digest, samples.HSM.root.digest}
    return attestation.verify(attestation.parse(data), key, roots, samples.NOW)


def _certificate(data: bytes, _: Path) -> object:
    """Read one certificate, beside the right ones above it."""
    key = samples.OPERATOR.public_key
    others = samples.HSM.own.pem + samples.HSM.root.pem + samples.DEVICE.own.pem + samples.DEVICE.root.pem
    roots = {samples.DEVICE.root.digest, samples.HSM.root.digest}
    found = [*attestation.parse(data), *attestation.parse(others)]
    return attestation.of_objects([data], key), attestation.verify(found, key, roots, samples.NOW)


def _pending_keys(data: bytes, folder: Path) -> object:
    return pending_keys.load(_file(data, folder / pending_keys.PENDING_NAME).parent)


def _input(data: bytes, folder: Path) -> object:
    return input_files.read_jwt(str(_file(data, folder / "input")))


def _callout(data: bytes, folder: Path) -> object:
    return callout_config.load(_file(data, folder / "config" / "callout.toml"))


def _token(data: bytes, folder: Path) -> object:
    """Read the token of a login, of a provider whose keys are those of the sample."""
    path = _file(samples.JWKS, folder / "jwks.json")
    provider = oidc.OidcProvider(
        "sso", oidc.OidcSettings(issuer=samples.ISSUER, audience=("nats",), jwks=path)
    )
    return asyncio.run(provider.identify(Login(token=_text(data))))


READERS: dict[str, Reader] = {
    "jwt": Reader(
        _jwt,
        tuple(one.text.encode() for one in (samples.OPERATOR_JWT, samples.ACCOUNT_JWT, samples.USER_JWT)),
    ),
    "payload of a jwt": Reader(
        _payload,
        tuple(payload_of(one) for one in (samples.OPERATOR_JWT, samples.ACCOUNT_JWT, samples.USER_JWT)),
    ),
    "authorization request": Reader(_authorization_request, (payload_of(samples.AUTHORIZATION_REQUEST),)),
    "encrypted request": Reader(
        lambda data, _: Sealing(samples.CURVE).open(data, str(samples.CURVE.public_key)), (samples.SEALED,)
    ),
    "plain request": Reader(
        lambda data, _: require_plain(data), (samples.AUTHORIZATION_REQUEST.text.encode(),)
    ),
    "listed server": Reader(lambda data, _: listed_server(data), (b'{"server":{"name":"n0","id":"NA"}}',)),
    "account of a server": Reader(
        lambda data, _: account_of_answer(data, str(samples.ACCOUNT.public_key)),
        (b'{"data":{"jwt":"%s"}}' % samples.ACCOUNT_JWT.text.encode(),),
    ),
    "subscribers of a callout": Reader(
        lambda data, _: (subscribers_of(data), instance_of(data)),
        (
            (
                b'{"id":"1","metadata":{"cid":"7"},"server":{"id":"NA"},"data":{"connections":[{"cid":7,'
                b'"subscriptions_list_detail":[{"subject":"$SYS.REQ.USER.AUTH","qgroup":"q"}]}]}}'
            ),
        ),
    ),
    "draft": Reader(lambda data, _: jwt.read_draft(_text(data)), (samples.DRAFT.signing_input,)),
    "base64": Reader(
        lambda data, _: (decode(_text(data), "it"), decode_lenient(_text(data), "it")), (b"aGVsbG8",)
    ),
    "claims": Reader(_claims(None), (samples.DRAFT.payload,)),
    "claims of an account": Reader(
        _claims("account"), (b'{"name":"A","nats":{"limits":{"conn":1}}}', samples.DRAFT.payload)
    ),
    "claims of a generic": Reader(
        _claims("generic"), (b'{"name":"A","nats":{"a":[1,2.5e3,null,{"b":true}]}}',)
    ),
    "creds": Reader(lambda data, _: creds.parse_creds(_text(data)), (samples.CREDS,)),
    "creds key": Reader(lambda data, _: creds.parse_user_key(_text(data)), (samples.CREDS,)),
    "input of a command": Reader(_input, (samples.CREDS, samples.USER_JWT.text.encode())),
    "seed": Reader(lambda data, _: SoftwareKey.parse(_text(data)), (samples.USER.reveal().encode(),)),
    "nkey": Reader(lambda data, _: PublicKey.parse(_text(data)), (str(samples.USER.public_key).encode(),)),
    "nkey of any length": Reader(
        lambda data, _: unpack(_text(data)), (str(samples.USER.public_key).encode(),)
    ),
    "server configuration": Reader(_server, (samples.SERVER,)),
    "server configuration as text": Reader(
        lambda data, _: nats_config.parse(_text(data), "server.conf", {"PASS": "x"}), (samples.SERVER,)
    ),
    "preloaded accounts": Reader(
        lambda data, folder: MemoryTarget(_file(data, folder / "server.conf"), {"PASS": "x"}, samples.NOW),
        (samples.SERVER,),
    ),
    "policy": Reader(_policy, (samples.POLICY,)),
    "pending keys": Reader(_pending_keys, (samples.PENDING_KEYS,)),
    "policy in a transcript": Reader(
        lambda data, _: of_canonical(data), (policies.read(samples.POLICY).canonical,)
    ),
    "attestation": Reader(_attestation, (samples.ATTESTATION,)),
    "certificate": Reader(
        _certificate,
        (
            samples.DEVICE.piv(samples.OPERATOR.public_key.raw).der,
            samples.HSM.hsm(samples.OPERATOR.public_key.raw).der,
        ),
    ),
    "plan": Reader(lambda data, _: plan_file.parse(data), (samples.PLAN,)),
    "journal of challenges": Reader(
        lambda data, folder: challenges.load(_file(data, folder / "challenges.jsonl")),
        (b'{"at":1,"command":"key audit","id":"0a","key":"5f","sha256":"9c","token":"pkcs11:token=A"}\n',),
    ),
    "record of shares": Reader(lambda data, _: recovery_record.parse(data), (samples.RECORD.to_bytes(),)),
    "transcript of a restore": Reader(
        lambda data, _: recovery_transcript.parse(data), (samples.RESTORE.to_bytes(),)
    ),
    "inventory": Reader(
        lambda data, folder: inventory.load(_file(data, folder / "keyring.json")), (samples.INVENTORY,)
    ),
    "ledger": Reader(
        lambda data, folder: ledger.load(_file(data, folder / "ledger.json")), (samples.LEDGER,)
    ),
    "desired state": Reader(
        lambda data, _: read_desired(data, "it"), (samples.DESIRED_TOML, samples.DESIRED_JSON)
    ),
    "request": Reader(lambda data, _: request.parse(data), (samples.REQUEST.data,)),
    "transcript": Reader(lambda data, _: transcript.read(data), (samples.TRANSCRIPT,)),
    "result": Reader(lambda data, _: transcript.parse(data), (samples.RESULT, samples.TRANSCRIPT)),
    "result that is checked": Reader(_check_result, (samples.RESULT, samples.TRANSCRIPT)),
    "request that is checked": Reader(_check_request, (samples.REQUEST.data,)),
    "recomputed ceremony": Reader(_recompute, (samples.RESULT,)),
    "statement of a witness": Reader(
        lambda data, _: read_ceremony_jwt(_text(data), "it"), (samples.STATEMENT,)
    ),
    "key specification": Reader(
        lambda data, _: key_request.read_specification(data, "keys.toml"), (samples.KEY_SPECIFICATION,)
    ),
    "key request": Reader(lambda data, _: key_request.parse(data), (samples.KEY_REQUEST.data,)),
    "output about a device": Reader(
        lambda data, _: readiness.parse_output(_text(data), "info.txt"),
        (samples.YKMAN, samples.YUBIHSM_SHELL),
    ),
    "ceremony keys": Reader(lambda data, _: keys.parse(data), (samples.KEYS,)),
    "words": Reader(
        lambda data, _: words.parse(_text(data)), (" ".join(words.words(bytes(range(8)))).encode(),)
    ),
    "kind of a file": Reader(
        lambda data, _: file_kind.identify(data),
        (samples.PLAN, samples.RESULT, samples.POLICY, samples.SERVER),
    ),
    "key URI": Reader(
        lambda data, _: KeyUri.parse(_text(data)),
        (samples.URI.encode(), b"pkcs11:token=a?pin-source=file:/p"),
    ),
    "PIN source": Reader(
        lambda data, _: pin.parse_pin_source(_text(data)),
        (b"env:PIN", b"file:/run/pin", b"fd:3", b"cmd:pass 'a b'"),
    ),
    "PIN in a file": Reader(
        lambda data, folder: pin.file_pin(_file(data, folder / "pin")).pin("a token", None), (b"1234\n",)
    ),
    "configuration": Reader(_config, (samples.CONFIG,)),
    "configuration of a callout": Reader(_callout, (samples.CALLOUT,)),
    "users of a callout": Reader(lambda data, _: users.read_users(data), (samples.USERS,)),
    "JWKS": Reader(lambda data, _: oidc.read_jwks(data), (samples.JWKS,)),
    "token of a login": Reader(_token, (samples.TOKEN,)),
    "configuration that is edited": Reader(_edited_config, (samples.CONFIG,)),
    "configuration of nsc": Reader(_nsc, (b'{"store_root":"/home/a/stores","operator":"ACME"}',)),
    "key file of nsc": Reader(_nk, (samples.USER.reveal().encode(), str(samples.USER.public_key).encode())),
    "store": Reader(_store, (samples.OPERATOR_JWT.text.encode(),)),
    "mark of a store": Reader(_mark, (samples.MARK,)),
    "deleted accounts": Reader(
        lambda data, folder: delete.load(_file(data, folder / "deleted.json")),
        (b'{"%s":{"name":"ORDERS","at":1795309226}}' % str(samples.ACCOUNT.public_key).encode(),),
    ),
    "answers of servers": Reader(_answers, samples.ANSWERS),
    "connections of an account": Reader(
        _connections,
        (
            b'{"server":{"id":"N","name":"n1"},"data":{"total":1,"connections":[{"cid":1,"name":"a"}]}}',
            b'{"server":{"id":"N"},"data":{"leafs":[{"account":"A"}]}}',
        ),
    ),
    "delegations": Reader(
        _delegations,
        (
            b'{"version":1,"delegations":{"%s":{"account":"%s","role":"clerk","at":1,"until":2,"file":"","ended":false}}}'
            % ((str(samples.ACCOUNT.public_key).encode(),) * 2),
        ),
    ),
    "file of a delegated key": Reader(
        _delegated_key,
        (b'{"account":"A","role":"clerk","until":1795309226}\n\n' + decorate_seed(samples.ACCOUNT).encode(),),
    ),
    "entry of an audit stream": Reader(
        lambda data, _: read_entry(data, "AUDIT"),
        (b'{"endpoint":"user","sub":"U","account":"A","iat":1,"digest":"00","requester":"B","request":"r"}',),
    ),
    "request to an issuer": Reader(
        _issuer_request,
        (b'{"key":"U","name":"ada","account":"A","role":"clerk","tags":["a"],"validity":60}',),
    ),
    "requester of an issuer": Reader(
        lambda data, _: issuer.requester_of({issuer.HEADER: _text(data)}),
        (b'{"acc":"A","user":"U","name":"ada","tags":["a"]}',),
    ),
    "frames of a worker": Reader(_frames_of, (frames.pack_frame(frames.FrameKind.OPEN, b"x"),)),
    "EC point": Reader(
        lambda data, _: (ec_point(data), type_name(0x40, data), role_of(_text(data))),
        (b"\x04\x20" + bytes(32), bytes(32)),
    ),
    "URL": Reader(lambda data, _: url.parse(_text(data)), (b"nats://u:p@host:4222/x?y#z",)),
    "setting": Reader(_setting, (b"limits.conn=5", b'mappings."a.b"=[{"subject":"c"}]')),
    "template": Reader(_template, (b"orders.{{name()}}.{{tag(team)}}",)),
    "units": Reader(_units, (b"1h30m", b"4MiB", b"30d", b"1.5G", b"2050-01-01 00:00:00 UTC")),
}

PARSERS: dict[str, tuple[str, ...]] = {
    "_x509.py": ("attestation", "certificate"),
    "attestation.py": ("attestation", "certificate"),
    "base64url.py": ("base64",),
    "ceremony/documents.py": ("request", "result", "transcript"),
    "ceremony/rehearsal.py": (),  # what this program has written a moment before
    "claims/codec.py": ("payload of a jwt",),
    "claims/decoding.py": ("payload of a jwt",),
    "claims/lenient.py": ("payload of a jwt",),
    "claims/from_json.py": ("claims",),
    "cli/account/parts.py": (),  # its own claims
    "claims/edits.py": ("setting",),
    "cli/render/describe.py": ("input of a command",),
    "cli/render/shown.py": ("input of a command",),
    "cli/verify.py": (),  # a file that this process has written
    "config_edit.py": ("configuration that is edited",),
    "desired/read.py": ("desired state",),
    "file_kind.py": ("kind of a file",),
    "ledger.py": ("ledger",),
    "challenges.py": ("journal of challenges",),
    "inventory.py": ("inventory",),
    "jwt.py": ("payload of a jwt",),
    "migrate.py": ("configuration of nsc",),
    "pkcs11/isolation/worker_group.py": ("frames of a worker",),
    "pkcs11/isolation/worker.py": ("frames of a worker",),
    "pending_keys.py": ("pending keys",),
    "nkey.py": ("nkey of any length", "seed"),
    "pin.py": ("PIN source",),
    "plan_file.py": ("plan",),
    "policy/judge.py": ("policy", "policy in a transcript"),
    "delegation.py": ("delegations",),
    "app/delegation.py": ("file of a delegated key",),
    "resolver/connections.py": ("connections of an account",),
    "resolver/delete.py": ("deleted accounts",),
    "resolver/protocol.py": ("answers of servers",),
    "rules/guards.py": ("payload of a jwt",),
    "rules/judge.py": ("payload of a jwt",),
    "serve/audit.py": ("entry of an audit stream",),
    "serve/issuer.py": ("request to an issuer", "requester of an issuer"),
    "serve/demo.py": (),  # what a server has written that it has started
    "serve/doctor.py": ("subscribers of a callout",),
    "serve/system_account.py": ("listed server", "account of a server"),
    "serve/backends/oidc.py": ("JWKS", "token of a login"),
    "strict_json.py": ("configuration", "configuration of a callout", "users of a callout"),
    "store/files.py": ("store", "mark of a store"),
    "trust.py": ("payload of a jwt",),
    "nats_config/words.py": (),  # the table that comes with this program
}
"""The modules that turn bytes into values, and the readers by which their inputs are tried."""


def attempt(name: str, data: bytes, folder: Path) -> str:
    """Read *data*, and return what came of it: `value`, or `refused`. Any other exception is let through."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        READERS[name].read(data, folder)
    except SeedlessError as error:
        return "refused" if error.message else "refused without a sentence"
    return "value"


__all__ = ["PARSERS", "READERS", "Any", "Reader", "attempt"]
