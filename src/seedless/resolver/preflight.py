"""What is looked at before an account is sent or deleted (Rnnn), so that nobody is locked out by accident.

A resolver stores whatever it is sent: an account by a stranger, an older one. Whether it holds is asked only
when it is loaded, which may be weeks later. So it is asked here, of every server.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import trust
from seedless.change import Context, Statement
from seedless.findings import Finding, Report, Severity, error
from seedless.jwt import payload_of
from seedless.rules import judge_statement, mark_existing
from seedless.rules.guards import is_from_the_future
from seedless.text import brief
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from seedless.claims import Account, Operator
    from seedless.jwt import Jwt
    from seedless.resolver.protocol import AccountServer, ServerReport

PreflightRule = Callable[["Jwt[Account]", "ServerContext"], Iterator[Finding]]
"""Look at an account that is to be sent, and yield the problems with it."""

DeleteRule = Callable[["Collection[str]", "ServerContext"], Iterator[Finding]]
"""Look at accounts (keys) that are to be deleted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """What is known of the servers, and of us: the operator of the store, and the user who is logged in.

    `held` maps an account's key to the jwts of it that servers hold, those that can be read; `refusing` are
    servers that report that they delete nothing.
    """

    operator: Jwt[Operator]
    server_reports: tuple[ServerReport, ...]
    held: Mapping[str, tuple[Jwt[Any], ...]] = dataclasses.field(default_factory=dict)
    user: Jwt[Any] | None = None
    refusing: tuple[AccountServer, ...] = ()


def r001_issuer_is_trusted_there(account: Jwt[Account], servers: ServerContext) -> Iterator[Finding]:
    """An account is issued by a key that the operator jwt of every server lists.

    A server stores it all the same and refuses its users from the next start on. One whose operator is strict
    trusts no account that the operator's identity has signed.
    """
    # With `trusted_keys` a server shows no operator jwt in VARZ, and it cannot be seen from outside whether
    # it trusts signing keys.
    blind = [report.server for report in servers.server_reports if not report.operators]
    if blind:
        text = f"it is not known whom {_names(blind)} trusts: no operator jwt is shown"
        yield error("R001", "iss", text, "configure it with operator:, not with trusted_keys:")
    # By what each server has loaded and not by the store: a server that was not restarted since a
    # rotation still has the operator jwt of before.
    distrusting = [
        report for report in servers.server_reports if report.operators and not _trusts(report, account)
    ]
    if distrusting:
        identities = {operator.claims.sub for server in distrusting for operator in server.operators}
        strict = ", the operator's identity" if str(account.issuer) in identities else ""
        why = " (strict_signing_key_usage)" if strict else ""
        names = _names(server.server for server in distrusting)
        if str(account.issuer) == account.claims.sub:
            yield error("R001", "iss", f"is a request, signed by itself: not trusted by {names}", _ASK)
            return
        text = f"is issued by {account.issuer}{strict}, which is not trusted by {names}{why}"
        yield error("R001", "iss", text, _SIGN_AGAIN)


def r002_is_later_than_what_is_there(account: Jwt[Account], servers: ServerContext) -> Iterator[Finding]:
    """An account is issued later than each that a server holds.

    A server takes an older one too; between servers it is dropped, so that they disagree. Two of one second
    count as the same when servers compare what they hold.
    """
    newest = _newest(account, servers)
    # Measured with nats-server 2.15.1: an older jwt is answered with `200 jwt updated`, and stays on that
    # server alone.
    if newest is None or newest.issued_at < account.issued_at:
        return
    if newest.issued_at == account.issued_at:
        text = f"another of the same second, {moment(newest.issued_at)}, is on the servers"
    else:
        text = f"is of {moment(account.issued_at)}, and on the servers is one of {moment(newest.issued_at)}"
    yield error("R002", "iat", text, _SEE_WHAT_IS_THERE)


def r003_fits_into_a_message(account: Jwt[Account], servers: ServerContext) -> Iterator[Finding]:
    """An account is no longer than a message may be (`max_payload`).

    A server closes the connection on a longer one.
    """
    # The smallest: an update goes to all servers at once, and the connection over which it goes is closed
    # by the first that finds it too long.
    smallest = min((report.max_payload for report in servers.server_reports if report.max_payload), default=0)
    if smallest and len(account.text) > smallest:
        slow = [report.server for report in servers.server_reports if report.max_payload == smallest]
        text = f"has {len(account.text)} bytes; at most {smallest} are taken by {_names(slow)}"
        yield error("R003", "", text, "make it smaller, or raise max_payload there")


def r004_servers_are_of_this_operator(_: object, servers: ServerContext) -> Iterator[Finding]:
    """Every server trusts the operator of the store.

    Otherwise these are somebody else's servers, or those of another store.
    """
    ours = servers.operator.claims
    strange = [
        report.server
        for report in servers.server_reports
        if report.operators and all(operator.claims.sub != ours.sub for operator in report.operators)
    ]
    if strange:
        text = f"another operator than {brief(ours.name)} ({ours.sub}) is trusted by {_names(strange)}"
        hint = "after operator reissue: seedless server config, and a restart; else: is it the right store?"
        yield error("R004", "", text, hint)


def r005_system_account_lets_us_in(account: Jwt[Account], servers: ServerContext) -> Iterator[Finding]:
    """A system account still lets in the user who pushes it.

    Otherwise it is the last thing that can be pushed.
    """
    if servers.user is None or all(
        report.system_account != account.claims.sub for report in servers.server_reports
    ):
        return
    if not trust.did_sign(account, servers.user):
        yield error(
            "R005", "nats.signing_keys", f"would lock {_user(servers)} out, who is not issued by its keys"
        )
    elif trust.is_revoked(account, servers.user):
        yield error(
            "R005", "nats.revocations", f"would lock {_user(servers)} out, who is revoked in it", _OTHER
        )
    # 0 and not -1: the absent limit is zero connections.
    elif not account.claims.body.limits.conn:
        yield error("R005", "nats.limits.conn", "lets nobody in: it has no connections")


RULES: tuple[PreflightRule, ...] = (
    r001_issuer_is_trusted_there,
    r002_is_later_than_what_is_there,
    r003_fits_into_a_message,
    r004_servers_are_of_this_operator,
    r005_system_account_lets_us_in,
)
"""For every account that is to be sent."""


def r006_servers_accept_deletion(_accounts: Collection[str], servers: ServerContext) -> Iterator[Finding]:
    """Every server deletes accounts when the operator requests it (`allow_delete` of its resolver).

    One that does not brings them back to all others.
    """
    if servers.refusing:
        text = f"accounts are not deleted by {_names(sorted(servers.refusing))} (allow_delete is not set)"
        yield error("R006", "", text, "set allow_delete: true in its resolver, and start it again")


def r007_system_account_stays(accounts: Collection[str], servers: ServerContext) -> Iterator[Finding]:
    """A system account is not deleted.

    Servers do not do it, and could be sent nothing more if they did.
    """
    systems = {report.system_account for report in servers.server_reports}
    # Also that of the store: servers may have been started with another one.
    systems.add(servers.operator.claims.body.system_account)
    for account in sorted(systems & set(accounts)):
        yield error(
            "R007", "", f"{account} is the system account", "name another in the operator's claims first"
        )


DELETE_RULES: tuple[DeleteRule, ...] = (
    r004_servers_are_of_this_operator,
    r006_servers_accept_deletion,
    r007_system_account_stays,
)
"""For all accounts that are to be deleted."""


def preflight_rules() -> tuple[PreflightRule | DeleteRule, ...]:
    """Return every rule once, in the order of their codes."""
    return tuple(dict.fromkeys((*RULES, *DELETE_RULES)))


def preflight(
    accounts: Sequence[Jwt[Account]], servers: ServerContext, now: int, reset_time: Collection[str] = ()
) -> Report:
    """Return the problems with sending *accounts*: the rules above, and what rules find in the claims.

    That one has expired, or does not hold yet (a timecheck), counts as an error, as it does for servers; an
    error that is on the servers already does not. That one is older than what servers hold is waived for
    those in *reset_time* (key text) where theirs is from the future. Whether the store's operator trusts it
    (T001) is left to those that the servers have.
    """
    claims = {jwt.claims.sub: jwt.claims for jwt in accounts}
    context = Context(now=now, operator=servers.operator.claims, claims=claims)
    found: list[Finding] = []
    for account in accounts:
        about = f"account {brief(account.claims.name)}"
        found += [
            msgspec.structs.replace(finding, about=about)
            for rule in RULES
            for finding in rule(account, servers)
        ]
        found += [finding for finding in _about_claims(account, servers, context) if finding.code != _OURS]
    reset = {
        f"account {brief(jwt.claims.name)}" for jwt in accounts if _is_reset(jwt, servers, now, reset_time)
    }
    waived = [finding for finding in _once(found) if finding.code == _OLDER and finding.about in reset]
    report = Report.of(finding for finding in _once(found) if finding not in waived)
    return msgspec.structs.replace(report, waived=tuple(waived))


def _about_claims(account: Jwt[Account], servers: ServerContext, context: Context) -> Iterator[Finding]:
    about_claims: Iterable[Finding] = judge_statement(Statement.of(account), context)
    newest = _newest(account, servers)
    if newest is not None:
        jwts = {servers.operator.claims.sub: servers.operator}
        before = msgspec.structs.replace(context, jwts=jwts)
        about_claims = mark_existing(about_claims, payload_of(account), newest, before)
    for finding in about_claims:
        if finding.severity in {Severity.ERROR, Severity.TIMECHECK}:
            yield msgspec.structs.replace(finding, severity=Severity.ERROR)
        elif finding.severity is Severity.EXISTING:
            yield finding


def _is_reset(account: Jwt[Account], servers: ServerContext, now: int, reset_time: Collection[str]) -> bool:
    """Report whether a person has confirmed that what the servers have of *account* is from a fast clock."""
    newest = _newest(account, servers)
    is_ahead = newest is not None and is_from_the_future(newest.issued_at, now)
    return is_ahead and account.claims.sub in reset_time


def _newest(account: Jwt[Account], servers: ServerContext) -> Jwt[Account] | None:
    """Return the latest jwt that a server holds of the subject of *account*, itself left out."""
    others = (jwt for jwt in servers.held.get(account.claims.sub, ()) if jwt.text != account.text)
    return max(others, key=lambda jwt: jwt.issued_at, default=None)


def preflight_delete(accounts: Collection[str], servers: ServerContext) -> Report:
    """Return the problems with deleting *accounts* (keys)."""
    found = [finding for rule in DELETE_RULES for finding in rule(accounts, servers)]
    return Report.of(found)


def _trusts(report: ServerReport, account: Jwt[Account]) -> bool:
    return any(trust.did_sign(operator, account) for operator in report.operators)


def _once(found: Iterable[Finding]) -> list[Finding]:
    """Return *found*, what is reported of the servers and not of an account only once."""
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in found:
        key = (
            (finding.code, finding.text)
            if finding.code == "R004"
            else (finding.code, finding.about, finding.where, finding.text)
        )
        kept.setdefault(key, finding)
    return list(kept.values())


def _user(servers: ServerContext) -> str:
    return brief(servers.user.claims.name) if servers.user else ""


def _names(servers: Iterable[AccountServer]) -> str:
    return ", ".join(map(str, servers))


_SEE_WHAT_IS_THERE = (
    "seedless pull shows what is there; sign it again and it is later; where theirs is from the future, "
    "seedless docs howto/clock has the way back"
)
_OURS = "T001"
_OLDER = "R002"
_SIGN_AGAIN = (
    "sign it again with a key of that operator; a new key requires its operator jwt on the servers first"
)
_ASK = "have the operator sign it (seedless import account FILE), and import what it signed"
_OTHER = "push as another user"
