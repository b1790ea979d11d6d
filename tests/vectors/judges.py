"""One judge for each kind of vector: the official library's verdict beside ours."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import msgspec
from judge_validation import as_decoded, judge_issues_of_jwt, judge_validation, same_findings
from verdicts import Agree, ByDesign, Disagree, Verdict, equal, first, refused

from seedless import claims, creds, decorated, jwt, trust
from seedless.change import Statement
from seedless.claims.effective import effective
from seedless.errors import BadClaims, BadJwt, BadKey, BadSignature, SeedlessError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

TYPED = {"operator", "account", "user", "activation", "authorization_request", "authorization_response"}
OLD = {"cluster", "server"}


def follows_decode(text: str) -> bool:
    """Tell whether `read` follows Decode for *text* (typed kinds, version 1), or DecodeGeneric."""
    try:
        part = text.split(".")[1].replace("\r", "").replace("\n", "")
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        members = json.loads(data, object_pairs_hook=list)
        top = {name.casefold(): value for name, value in members if name.casefold() != "nats"}
        bodies = [value for name, value in members if name.casefold() == "nats" and value is not None]
        body = {name.casefold(): value for pairs in bodies for name, value in pairs}
        kind = body.get("type")
    except (ValueError, IndexError, KeyError, AttributeError, RecursionError, TypeError):
        return True
    return bool(top.get("type")) or (isinstance(kind, str) and kind in TYPED | OLD)


def judge_jwt(case: dict[str, Any]) -> Verdict:
    """Read, draft again, and draft from the claims as they were written: the same bytes each time."""
    decode = case["decode"] if follows_decode(case["jwt"]) else case["decode_generic"]
    issuer = PublicKey.parse(case["issuer"])
    written = _written(case, issuer)
    if isinstance(written, Disagree):
        return written
    if case["type"] == "generic" and follows_decode(case["jwt"]):
        return _judge_misnamed(case, decode)
    try:
        ours = jwt.read(case["jwt"])
    except (BadJwt, BadSignature) as error:
        return refused(error, decode["ok"])
    if not decode["ok"]:
        return Disagree(f"only they refuse: {decode['error']}")
    drafted = jwt.draft(ours.claims, issuer, case["iat"])
    if "null" in {deviation.rule for deviation in ours.deviations}:  # they write null again, we an empty list
        wanted = json.loads(case["payload_json"], object_hook=_without_null)
        same_bytes = equal("payload", json.loads(drafted.payload), wanted)
    else:
        same_bytes = equal("payload", drafted.payload.decode(), case["payload_json"])
    return _tolerated(
        ours,
        written,
        same_bytes,
        equal("jti", drafted.id, case["jti"]),
        equal("id", ours.id, case["jti"]),
        _same_meaning(ours, decode.get("remarshal_json") or case["payload_json"]),
        judge_issues_of_jwt(case),
    )


def _without_null(members: dict[str, Any]) -> dict[str, Any]:
    """Return *members* with an empty list for null, also in a list: lists are all that Go writes so."""
    lists = {name: [] if value is None else value for name, value in members.items()}
    return {n: [[] if x is None else x for x in v] if isinstance(v, list) else v for n, v in lists.items()}


def _tolerated(ours: jwt.Jwt[Any], *verdicts: Verdict) -> Verdict:
    """Return the first verdict that is not agreement, else agreement with what was tolerated.

    The strict reader has to read the same, or refuse it by one of the rules that were reported.
    """
    verdict = first(*verdicts)
    if not isinstance(verdict, Agree):
        return verdict
    rules = {deviation.rule for deviation in ours.deviations}
    try:
        strict = jwt.read_strict(ours.text)
    except BadJwt as error:
        if error.rule not in rules:
            return Disagree(f"the strict reader refuses it by {error.rule!r}, reported was {rules}: {error}")
        return Agree(tuple(sorted(rules)))
    if rules - {"loose-base64"}:
        return Disagree(f"the strict reader takes it, and {rules} were reported")
    same = equal("read strictly", strict, msgspec.structs.replace(ours, deviations=()))
    return Agree(tuple(rules)) if isinstance(same, Agree) else same


def _judge_misnamed(case: dict[str, Any], decode: dict[str, Any]) -> Verdict:
    """Judge generic claims that say they are an account: they are read as that, and cannot be drafted."""
    try:
        ours = jwt.read(case["jwt"])
    except (BadJwt, BadSignature) as error:
        return refused(error, decode["ok"])
    same = _same_meaning(ours, decode["remarshal_json"])
    return same if isinstance(same, Disagree) else ByDesign("generic-names-typed")


def _written(case: dict[str, Any], issuer: PublicKey) -> Verdict:
    """Take `claims_in` through `claims_from_json` where the strict reader takes it: the same bytes."""
    source = case.get("claims_in_raw") or json.dumps(case["claims_in"])
    if case["mode"] == "new":
        constructed = json.loads(_constructed(case["type"]))
        source = json.dumps({"nats": constructed} | _merged({"nats": constructed}, json.loads(source)))
    try:
        ours = jwt.claims_from_json(case["type"], source)
        drafted = jwt.draft(ours, issuer, case["iat"])
    except BadClaims:
        return Agree()
    return first(
        equal("payload of claims_in", drafted.payload.decode(), case["payload_json"]),
        equal("jti of claims_in", drafted.id, case["jti"]),
    )


def _constructed(kind: str) -> bytes:
    if kind == "generic":
        return b"{}"
    body = next(b for b in _BODIES if b.kind == kind)
    return msgspec.json.encode(body.new())


_BODIES: tuple[Any, ...] = (
    claims.Operator,
    claims.Account,
    claims.User,
    claims.Activation,
    claims.AuthorizationRequest,
    claims.AuthorizationResponse,
)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return what unmarshalling *above* over a struct with *below* gives: objects merge."""
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _same_meaning(ours: jwt.Jwt[Any], theirs: str) -> Verdict:
    """Compare what we read with what the official library writes after reading."""
    meant = effective(ours.claims.body)
    body = json.loads(msgspec.json.encode(meant)) if not isinstance(meant, claims.Generic) else meant.data
    hook = None if isinstance(meant, claims.Generic) else _without_null
    wanted = json.loads(theirs, object_hook=hook)
    nats = wanted.pop("nats", None)
    if isinstance(meant, claims.Generic):
        nats = json.loads(theirs, parse_int=float).get("nats")
    if isinstance(nats, dict) and not isinstance(meant, claims.Generic):
        nats = {name: value for name, value in nats.items() if name not in {"type", "version"}}
        for entry in nats.get("signing_keys", ()):
            _drop_zero_limits(entry, body["signing_keys"])
    if isinstance(meant, claims.Generic) and ours.claims.version == 1:
        # Their Decode leaves type and tags at the top level, where their GenericClaims has no place for them.
        body, nats = (
            {n: v for n, v in (side or {}).items() if n not in {"type", "tags"}} for side in (body, nats)
        )
    standard = {
        "aud": ours.claims.aud,
        "exp": ours.claims.exp,
        "jti": ours.id,
        "iat": ours.issued_at,
        "iss": str(ours.issuer),
        "name": ours.claims.name,
        "nbf": ours.claims.nbf,
        "sub": ours.claims.sub,
    }
    return first(
        equal("meaning of the body", body, nats),
        equal(
            "registered claims",
            {k: v for k, v in standard.items() if v},
            {k: v for k, v in wanted.items() if v and k in standard},
        ),
    )


def _drop_zero_limits(theirs: object, ours: list[Any]) -> None:
    """Take zeros out of our template as they do when they write; we keep them apart from absent ones."""
    if not isinstance(theirs, dict):
        return
    for entry in ours:
        if isinstance(entry, dict) and entry["key"] == theirs["key"]:
            template = entry["template"]
            for name in ("subs", "data", "payload"):
                if template.get(name) == 0:
                    del template[name]


def judge_encode_error(case: dict[str, Any]) -> Verdict:
    """What Encode or Unmarshal refuses, we refuse."""
    source = case.get("claims_in_raw") or json.dumps(case["claims_in"])
    try:
        ours = jwt.claims_from_json(case["type"], source)
        jwt.draft(ours, PublicKey.parse(case["issuer"]), 1_700_000_000)
    except BadClaims:
        return Agree()
    return Disagree(f"only they refuse: {case['error']}")


def judge_tolerated(case: dict[str, Any]) -> Verdict:
    """Read what servers read, report the rules that it breaks, and write it canonically."""
    ours = jwt.read(case["jwt"])
    drafted = jwt.draft(ours.claims, ours.issuer, ours.issued_at)
    written, wanted = (json.loads(text) for text in (drafted.payload, case["canonical"]))
    return _tolerated(
        ours,
        equal("rules", sorted({deviation.rule for deviation in ours.deviations}), case["rules"]),
        equal("canonical", written | {"jti": ""}, wanted | {"jti": ""}),
    )


def judge_bad_jwt(case: dict[str, Any]) -> Verdict:
    """What Decode refuses, we refuse; what it accepts and we read has the same meaning."""
    text = case.get("jwt") or (
        "" if "jwt_repeat" not in case else case["jwt_repeat"][0] * case["jwt_repeat"][1]
    )
    theirs = case if follows_decode(text) else case["generic"]
    try:
        ours = jwt.read(text)
    except (BadJwt, BadSignature) as error:
        return refused(error, theirs["ok"])
    if not theirs["ok"]:
        return Disagree(f"only they refuse: {theirs['error']}")
    if theirs is not case:
        payload = base64.urlsafe_b64decode(text.split(".")[1] + "==")
        return _tolerated(ours, _same_meaning(ours, payload.decode()))
    if case["claims_json"] is None:  # accepted, and then they cannot write it
        return _tolerated(ours, equal("type", ours.claims.body.kind, case["type"]))
    found = (
        Agree()
        if "validation_panic" in case
        else same_findings(as_decoded(Statement.of(ours)), case["validation"])
    )
    return _tolerated(ours, _same_meaning(ours, case["claims_json"]), found)


_ROLE_NAMES = {"x25519": Role.CURVE} | {role.name.lower(): role for role in Role}


def judge_nkey(case: dict[str, Any]) -> Verdict:
    """Public keys and seeds: the same verdict on each text, and the same key."""
    return first(_judge_public(case), _judge_seed(case))


def _judge_public(case: dict[str, Any]) -> Verdict:
    theirs_ok = bool(case["valid_public"])
    try:
        ours = PublicKey.parse(case["input"])
    except BadKey as error:
        return _bad_key(error, theirs_ok)
    if not theirs_ok:
        return Disagree("only they refuse the public key")
    return first(
        equal("role", ours.role, _ROLE_NAMES[case["prefix"]]),
        equal("text", str(ours), case["from_public"]),
        equal("is", {ours.role.name.lower()}, {name for name, is_one in case["is"].items() if is_one}),
    )


def _judge_seed(case: dict[str, Any]) -> Verdict:
    theirs_ok = "seed_public" in case
    try:
        ours = SoftwareKey.parse(case["input"])
    except BadKey as error:
        return _bad_key(error, theirs_ok)
    if not theirs_ok:
        return Disagree("only they refuse the seed")
    verdict = first(
        equal("role", ours.public_key.role, _ROLE_NAMES[case["seed_type"]]),
        equal("public key", str(ours.public_key), case["seed_public"]),
        equal("raw seed", ours.reveal_raw().hex(), case["seed_raw_hex"]),
        equal("seed", ours.reveal(), case["input"]),
    )
    if "sign_abc" in case and ours.public_key.role is not Role.CURVE:
        return first(verdict, equal("signature", _b64(ours.sign(b"abc")), case["sign_abc"]))
    return verdict


def _bad_key(error: BadKey, theirs_ok: bool) -> Verdict:  # noqa: FBT001 - the other side's verdict
    if not theirs_ok:
        return Agree()
    if error.reason in {"length", "alphabet", "prefix"}:
        return ByDesign("loose-base32")
    return Disagree(f"only we refuse: {error}")


def judge_nkey_sign(case: dict[str, Any]) -> Verdict:
    """A software key gives their signature, and their public key verifies it."""
    key = SoftwareKey.parse(case["seed"])
    message = _unb64(case["message_b64"])
    PublicKey.parse(case["public"]).verify(_unb64(case["signature"]), message)
    return equal("signature", _b64(key.sign(message)), case["signature"])


def judge_nkey_raw(case: dict[str, Any]) -> Verdict:
    """Raw seeds become their texts."""
    key = SoftwareKey(_ROLE_NAMES[case["type"]], bytes.fromhex(case["raw_hex"]))
    return first(
        equal("seed", key.reveal(), case["seed"]), equal("public key", str(key.public_key), case["public"])
    )


def judge_xkey(case: dict[str, Any]) -> Verdict:
    """Curve keys parse; sealing is not ours."""
    return first(
        *(
            equal(side, str(SoftwareKey.parse(case[f"seed_{side}"]).public_key), case[f"public_{side}"])
            for side in ("sender", "recipient")
        ),
        *(
            equal(side, PublicKey.parse(case[f"public_{side}"]).role, Role.CURVE)
            for side in ("sender", "recipient")
        ),
    )


def _outcome(action: Callable[[], str], theirs: str | None) -> Verdict:
    try:
        ours = action()
    except SeedlessError as error:
        rule = "loose-base32" if isinstance(error, BadKey) and error.reason in {"length", "alphabet"} else ""
        if theirs is None:
            return Agree()
        return ByDesign(rule) if rule else Disagree(f"only we refuse: {error}")
    if theirs is None:
        return Disagree("only they refuse")
    return equal("output", ours, theirs)


def judge_creds_format(case: dict[str, Any]) -> Verdict:
    """The creds file to the byte."""

    def action() -> str:
        return creds.format_creds(jwt.read(case["jwt"]), SoftwareKey.parse(case["seed"].strip()))

    if case["seed"] != case["seed"].strip() and not case["ok"]:
        return Agree()  # the seed's text is stripped by whoever reads it, here by this judge
    return _outcome(action, case["output"] if case["ok"] else None)


def judge_creds_parse(case: dict[str, Any]) -> Verdict:
    """The jwt, the key and the user key of a creds file, as the official library finds them."""
    seed = case.get("seed")
    user_seed = None if case.get("user_nkey_error") else seed
    return first(
        equal("jwt", decorated.parse_jwt(case["input"]), case["jwt"]),
        _outcome(lambda: creds.parse_key(case["input"]).reveal(), seed),
        _outcome(lambda: creds.parse_user_key(case["input"]).reveal(), user_seed),
    )


def judge_decorate_seed(case: dict[str, Any]) -> Verdict:
    """The block of a seed."""
    return _outcome(
        lambda: creds.decorate_seed(SoftwareKey.parse(case["seed"].strip())),
        case["output"] if case["ok"] else None,
    )


def judge_decorate_jwt(case: dict[str, Any]) -> Verdict:
    """The block of a jwt."""
    return _outcome(lambda: creds.decorate_jwt(jwt.read(case["jwt"])), case["output"] if case["ok"] else None)


def judge_didsign(case: dict[str, Any]) -> Verdict:
    """Who signed for whom, what is revoked, what a scoped user may carry."""
    parent, child = jwt.read(case["parent"]), jwt.read(case["child"])
    verdict = equal("did sign", trust.did_sign(parent, child), case["did_sign"])
    if case.get("revoked") is not None:
        verdict = first(verdict, equal("revoked", trust.is_revoked(parent, child), case["revoked"]))
    if "scope_error" in case:
        carries = bool(trust.carried_limits(child))
        verdict = first(verdict, equal("scope error", carries, case["scope_error"] is not None))
    return verdict


def judge_hash_id(case: dict[str, Any]) -> Verdict:
    """The id of an activation."""
    return _outcome(lambda: claims.hash_id(case["issuer"], case["sub"], case["subject"]), case.get("hash_id"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


JUDGES: dict[str, Callable[[dict[str, Any]], Verdict]] = {
    "jwt": judge_jwt,
    "validation": judge_validation,
    "tolerated": judge_tolerated,
    "encode_error": judge_encode_error,
    "bad_jwt": judge_bad_jwt,
    "nkey": judge_nkey,
    "nkey_sign": judge_nkey_sign,
    "nkey_raw": judge_nkey_raw,
    "xkey": judge_xkey,
    "creds_format": judge_creds_format,
    "creds_parse": judge_creds_parse,
    "decorate_seed": judge_decorate_seed,
    "decorate_jwt": judge_decorate_jwt,
    "didsign": judge_didsign,
    "hash_id": judge_hash_id,
}
