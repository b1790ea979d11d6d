"""Validate: the official library's issues beside our findings, as multisets of level and code."""

from __future__ import annotations

import collections
import json
import re
from typing import TYPE_CHECKING, Any

from verdicts import Agree, Verdict, equal, first, refused

from seedless import jwt
from seedless.change import Context, Statement
from seedless.claims.effective import effective
from seedless.errors import BadClaims, BadJwt, BadSignature
from seedless.rules import OFFICIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.claims.codec import Body

NOW = 1_900_000_000
"""Between the times of the vectors: 1 second after the epoch, and the year 2100."""

_SUBJECT = r'subject ("(?:[^"\\]|\\.)*") '
MESSAGES = {
    "C001": r"claim is expired",
    "C002": r"claim is not yet valid",
    "C003": r"subject cannot be empty",
    "C004": _SUBJECT + r"cannot have spaces",
    "C005": _SUBJECT + r"cannot start or end with a `\.`",
    "C006": _SUBJECT + r"cannot contain consecutive `\.`",
    "C007": r'Permission Subject ".*" is not allowed to contain queue',
    "C008": r'Permission Subject ".*" contains too many spaces',
    "C009": r"invalid import type: .*",
    "C010": r"account_id is not an account public key",
    "C011": r"error parsing account server url: .*",
    "C012": r"account server url .* requires a protocol",
    "C013": r"error parsing operator service url .*",
    "C014": r"operator service url .* - credentials are not supported",
    "C015": r"operator service url .* - paths are not supported",
    "C016": r"operator service url .* - protocol not supported .*",
    "C017": r".* is not an operator public key",
    "C019": r"assert server version error: asserted server version must be of the form .*",
    "C020": r"assert server version error: asserted server version cant parse .* to int",
    "C021": r"assert server version error: asserted server version can'b contain negative values: .*",
    "C022": r"overlapping subject namespace for .* and .* in same account .*",
    "C023": r"overlapping subject namespace for .* in account .*",
    "C024": r"AllowTrace only valid for stream import",
    "C025": r"account to import from is not specified",
    "C026": r"the field to has been deprecated \(use LocalSubject instead\)",
    "C027": r"Local Subject replaces To",
    "C028": r"both, renaming subject and subject, need to end or not end in >",
    "C029": r"Reference \$\d+ in .* reference \* in .* that do not exist",
    "C030": r"subject does not contain enough \* or reference wildcards \$\[0-9\]",
    "C031": r"sharing information \(for latency tracking\) is only valid for services: .*",
    "C032": r"import .* contains an invalid activation token",
    "C033": r"activation token doesn't match account for import .*",
    "C034": r"activation token doesn't match account it is being included in, .*",
    "C035": r"mismatch between token import type .* and type of import .*",
    "C036": r"activation token import subject .* doesn't match import .*",
    "C037": r"invalid export type: .*",
    "C038": r"invalid response type for service: .*",
    "C039": r"invalid response type for stream: .*",
    "C040": r"AllowTrace only valid for service export",
    "C041": r"latency tracking only permitted for services",
    "C042": r"sampling percentage needs to be between 1-100",
    "C043": r"results subject can not contain wildcards",
    "C044": r"negative response threshold is invalid",
    "C045": r"response threshold only valid for services",
    "C046": r"Account Token Position can only be used with wildcard subjects: .*",
    "C047": r"Account Token Position \d+ exceeds length of subject '.*'",
    "C048": r"Account Token Position \d+ matches '.*' but must match a \* in: .*",
    "C049": r"service export subject .* already exports .*",
    "C050": r"stream export subject .* already exports .*",
    "C051": r"JetStream Limits and tiered JetStream Limits are mutually exclusive",
    "C052": r'Tiered JetStream Limits can not contain a blank "" tier name',
    "C053": r"the account contains more imports than allowed by the operator",
    "C054": r"the account contains more exports than allowed by the operator",
    "C055": r"the account contains wildcard exports that are not allowed by the operator",
    "C057": r".* is not a valid account signing key",
    "C058": r"Description is too long",
    "C059": r"Info URL is too long",
    "C060": r"error parsing info url: .*",
    "C061": r"unknown cluster traffic option: .*",
    "C062": r"self-signed account JWTs shouldn't contain operator limits",
    "C063": r"Mapping .* has a weight \d+ that exceeds 100",
    "C064": r"Mapping .* in cluster .* exceeds 100% among all of it's weighted to mappings",
    "C065": r"Mapping .* exceeds 100% among all of it's weighted to mappings",
    "C066": r"External authorization cannot have accounts without users specified",
    "C067": r"AuthUser .* is not a valid user public key",
    "C068": r'AllowedAccounts can only be a list of accounts or "\*"',
    "C069": r"Account .* is not a valid account public key",
    "C070": r"XKey .* is not a valid public xkey",
    "C071": r"the account Trace\.Destination (subject cannot be empty|" + _SUBJECT + r"cannot .*)",
    "C072": r"the account Trace\.Destination " + _SUBJECT + r"is not a valid publish subject",
    "C073": r"the account Trace\.Sampling value '-?\d+' is not valid, should be in the range \[1\.\.100\]",
    "C074": r"invalid cidr .* in user src limits",
    "C075": r"time ranges start must contain a start",
    "C076": r"start in time range is invalid .*",
    "C077": r"time ranges end must contain an end",
    "C078": r"end in time range is invalid .*",
    "C079": r"could not parse iana time zone by name: .*",
    "C080": r"User nkey is required",
    "C081": r"User nkey .* is not a valid user public key",
    "C082": r"Subject must be a user public key",
    "C083": r"Audience must be a server public key",
    "C084": r"Error or Jwt is required",
    "C085": r"Only Error or Jwt can be set",
    "C086": r"issuer_account is not an account public key",
    "C018": r".* is not an account public key",
    "C056": r".* is not an account public key",
}
"""What the official library says for each of its rules; of those that fit, the first counts."""

_ONLY_FOR = {"C018": "operator", "C056": "account"}
"""Rules whose messages are the same: each is of one kind of claims."""


def code_of(message: str, kind: str) -> str:
    """Return the code of the rule behind *message*, an issue of claims of *kind*."""
    for code, pattern in MESSAGES.items():
        if _ONLY_FOR.get(code, kind) == kind and re.fullmatch(pattern, message, re.DOTALL):
            return code
    return f"no code for {message!r}"


def same_findings(said: Statement[Any], issues: Sequence[dict[str, Any]]) -> Verdict:
    """Compare what the official rules find in *said* with *issues*: level, code, and how often."""
    kind = said.claims.body.kind
    context = Context(now=NOW)
    ours = [(str(x.severity), x.code) for rule in OFFICIAL[kind] for x in rule(said, context)]
    theirs = [(issue["level"], code_of(issue["description"], kind)) for issue in issues]
    more, fewer = (
        collections.Counter(a) - collections.Counter(b) for a, b in ((ours, theirs), (theirs, ours))
    )
    return equal("findings", (sorted(more.elements()), sorted(fewer.elements())), ([], []))


def judge_validation(case: dict[str, Any]) -> Verdict:
    """Find in `claims_in` what the official library finds."""
    source = case.get("claims_in_raw") or json.dumps(case["claims_in"])
    try:
        claims = jwt.claims_from_json(case["type"], source)
    except BadClaims as error:
        return refused(error, theirs_ok=True)
    said = Statement(claims, str(json.loads(source).get("iss", "")))
    return same_findings(said, case["validation"])


def judge_issues_of_jwt(case: dict[str, Any]) -> Verdict:
    """Find in the claims that were encoded, and in those that are decoded again, what they find."""
    try:
        said = Statement.of(jwt.read(case["jwt"]))
    except (BadJwt, BadSignature):
        return Agree()  # how it is read is judged elsewhere
    if said.claims.body.kind != case["type"]:
        return Agree()  # likewise: generic claims that say they are others
    decoded = case["decode"].get("validation") if case["decode"]["ok"] else None
    verdict = same_findings(said, case["validation"])
    return verdict if decoded is None else first(verdict, same_findings(as_decoded(said), decoded))


def as_decoded(said: Statement[Any]) -> Statement[Any]:
    """Return *said* as the official library holds it after decoding."""
    body: Body = effective(said.claims.body)
    claims = type(said.claims)(
        **{name: getattr(said.claims, name) for name in said.claims.__struct_fields__} | {"body": body}
    )
    return Statement(claims, said.issuer, said.issued_at)
