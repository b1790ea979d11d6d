"""Promise 13: what rules and policies say is what a real nats-server does, case by case.

Cases are made by chance, the same ones each time. VERDICTS=20000 tries more of them, VERDICTS_SEED=7 others.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from seedless.change import Change, Context, Statement
from seedless.claims import Permission, Permissions, Scope, signing_key
from seedless.claims.templates import Unfillable, calls, filled, lists
from seedless.findings import Severity
from seedless.jwt import payload_of
from seedless.lint import lint_store
from seedless.policy import Policy
from seedless.policy import judge as judge_by_policy
from seedless.rules import judge_statement
from seedless.server_config import memory
from seedless.store import create_store
from seedless.subject import is_within, subject_and_queue
from seedless.trust import filler_of, scope_of
from seedless.verification import verify_store

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from generated import CONCRETE, PATTERNS, RESERVED, Generator, Member, World  # noqa: E402 - a script's folder
from generated_logins import Logins, admits_this_client  # noqa: E402 - likewise
from raw_nats import Connection, running  # noqa: E402 - likewise

if TYPE_CHECKING:
    from seedless.jwt import Jwt

COMBINATIONS = int(os.environ.get("VERDICTS", "3000"))
LOGINS = COMBINATIONS // 2
SEED = int(os.environ.get("VERDICTS_SEED", "13"))


def context_of(world: World, operator: Jwt[Any], now: int) -> Context:
    known = {jwt.claims.sub: jwt for jwt in (operator, world.account, world.exporter)}
    claims = {key: jwt.claims for key, jwt in known.items()}
    return Context(now, operator.claims, claims, jwts=known)


def protected(world: World, user: Member, context: Context) -> tuple[str, ...]:
    """Return what is unreachable for *user* by the policies: those that have nothing against it.

    Of its account counts what is for all, and its own scope or, if it has no permissions, the defaults. A
    scope alone is enough for any user that it may issue; so is a user alone whose scope has templates.
    """
    account, exporter, own = Change(world.draft), Change(world.exporter_draft), Change(user.draft)
    body = world.draft.claims.body
    scopes = {signing_key(entry): entry for entry in body.signing_keys}
    issuer = str(user.jwt.issuer)
    place = f"nats.signing_keys[{list(scopes).index(issuer) if issuer in scopes else ''}]."
    scope = scopes.get(issuer)
    has_templates = isinstance(scope, Scope) and any(
        calls(e) for _, some in lists(scope.template) for e in some
    )
    kept = []
    for reserved in RESERVED:
        policy = Policy(operator=world.operator, reserved=(reserved,))
        found = [finding.where for finding in judge_by_policy(policy, [account, exporter], context)]
        general = [where for where in found if not where.startswith(("nats.signing_keys", "nats.default"))]
        by_scope = not any(where.startswith(place) for where in found)
        by_user = not list(judge_by_policy(policy, [own], context))
        fine = (by_scope or (has_templates and by_user)) if isinstance(scope, Scope) else by_user
        if fine and not general:
            kept.append(reserved)
    return tuple(kept)


def effective(world: World, user: Member) -> Permissions | Unfillable:
    """Return what a server gives to *user*, as we have it."""
    body, issuer = user.jwt.claims.body, str(user.jwt.issuer)
    account = next(
        jwt.claims
        for jwt in (world.account, world.exporter)
        if jwt.claims.sub in {body.issuer_account, issuer}
    )
    scope = scope_of(account, issuer)
    if scope is not None:
        return filled(scope.template, filler_of(user.jwt.claims, account))
    own = Permissions(pub=body.pub, sub=body.sub, resp=body.resp)
    return account.body.default_permissions if own == Permissions() else own


def may_subscribe(permission: Permission, subject: str) -> bool:
    """Tell whether an entry allows *subject* to those without a queue, and none denies it to them."""
    allow, deny = (
        [subject for subject, queue in map(subject_and_queue, side) if not queue]
        for side in (permission.allow, permission.deny)
    )
    allowed = not permission.allow or any(is_within(subject, entry) for entry in allow)
    return allowed and not any(is_within(subject, entry) for entry in deny)


def may_publish(given: Permissions, subject: str) -> bool:
    """Tell whether an entry allows *subject*, and none denies it; before there was a request.

    Servers take an entry of allow as it is, and divide one of deny: one that names a queue denies too.
    """
    allow = given.pub.allow
    deny = [denied for denied, queue in map(subject_and_queue, given.pub.deny) if " " not in queue]
    allowed = any(is_within(subject, entry) for entry in allow) if allow else given.resp is None
    return allowed and not any(is_within(subject, entry) for entry in deny)


def expected_errors(given: Permissions) -> set[str]:
    """Return what a server says to somebody who subscribes to each subject, and publishes on each."""
    return {
        *(f'Subscription to "{subject}"' for subject in CONCRETE if not may_subscribe(given.sub, subject)),
        *(f'Publish to "{subject}"' for subject in CONCRETE if not may_publish(given, subject)),
    }


def reach(user: Connection, keepers: list[Connection]) -> set[tuple[str, str]]:
    """Return what *user* reads and writes: subjects that it gets messages of, or its own come out on.

    A message that a mapping or an import has carried elsewhere counts with the subject that it had first.
    """
    user.send(f"SUB {pattern} {number}" for number, pattern in enumerate(PATTERNS, 1))
    for keeper in keepers:
        keeper.send(
            f"PUB {subject} {CONCRETE[number - 1]} {len(subject)}\r\n{subject}"
            for number, subject in enumerate(CONCRETE)
        )
    wait(user, keepers)
    got = user.take_messages()
    for keeper in keepers:
        keeper.take_messages()
    user.send(f"PUB {subject} 4\r\nmine" for subject in CONCRETE)
    wait(user, keepers)
    messages = [message for keeper in keepers for message in keeper.take_messages()]
    return {
        *(("reads", message.subject) for message in got),
        *(("reads", message.data.decode()) for message in got),
        *(("writes", message.subject) for message in messages if message.data == b"mine"),
    }


def told(what: World | Member) -> str:
    """Return what *what* is, in short, as it is needed to see what has happened."""
    if isinstance(what, Member):
        claims = what.jwt.claims
        return f"user {claims.name!r} of {what.jwt.issuer} {payload_of(what.jwt).decode()}"
    jwts = (what.account, what.exporter)
    return "\n  ".join(f"{jwt.claims.name!r} {payload_of(jwt).decode()}" for jwt in jwts)


def wait(user: Connection, keepers: list[Connection]) -> None:
    """Let everything that is under way arrive: between accounts it may come behind the answer to a ping."""
    for _ in range(2):
        for connection in (*keepers, user):
            connection.send([])


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    now = int(time.time())
    generator = Generator(Random(SEED), now)  # noqa: S311 - chance that can be repeated
    operator = generator.operator()
    worlds = [generator.world() for _ in range(-(-COMBINATIONS // (7 * len(RESERVED))))]
    accounts = [jwt for world in worlds for jwt in (world.account, world.exporter)]
    with running(tmp_path_factory.mktemp("server"), memory(operator, accounts)) as port:
        yield [(world, operator, now, port) for world in worlds]


def test_what_a_policy_reserves_is_unreachable(tried: list[Any]) -> None:
    issues, count, silent = [], 0, 0
    for world, operator, now, port in tried:
        context = context_of(world, operator, now)
        with ExitStack() as open_ones:
            keepers = [Connection(port, keeper.key, keeper.jwt) for keeper in world.keepers]
            for keeper in keepers:
                open_ones.callback(keeper.close)
                keeper.send(["SUB > 1"])
            for member in world.users:
                user = Connection(port, member.key, member.jwt)
                open_ones.callback(user.close)
                kept = protected(world, member, context)
                count += len(RESERVED)
                silent += len(kept)
                if user.refused:
                    continue
                reached = reach(user, keepers)
                issues += [
                    f"{reserved} is reserved: {told(member)} {how} {subject}\n  {told(world)}"
                    for reserved in kept
                    for how, subject in reached
                    if is_within(subject, reserved)
                ]
                user.close()
    assert not issues, "\n".join([f"{len(issues)} issues", *issues[:5]])
    assert count >= COMBINATIONS
    assert silent > count // 10, (silent, count)


def test_a_user_may_do_what_we_report_and_nothing_else(tried: list[Any]) -> None:
    wrong, count, refused = [], 0, 0
    for world, operator, now, port in tried:
        context = context_of(world, operator, now)
        for member in world.users:
            given = effective(world, member)
            user = Connection(port, member.key, member.jwt)
            count += 1
            if isinstance(given, Unfillable):
                refused += 1
                codes = {finding.code for finding in judge_statement(Statement.of(member.jwt), context)}
                if not user.refused or "T015" not in codes:
                    wrong.append(f"{given} {codes}: {told(member)} {told(world)}")
            elif user.refused:
                account = world.exporter if member is world.users[0] else world.account
                found = [
                    f for jwt in (account, member.jwt) for f in judge_statement(Statement.of(jwt), context)
                ]
                if not any(finding.severity is Severity.ERROR for finding in found):
                    wrong.append(f"refused: {told(member)} {told(world)}")
            elif not (world.account.claims.body.mappings or world.exporter.claims.body.mappings):
                user.send([f"SUB {subject} {number}" for number, subject in enumerate(CONCRETE, 1)])
                user.send(["UNSUB " + str(number) for number in range(1, len(CONCRETE) + 1)])
                user.send([f"PUB {subject} 1\r\nx" for subject in CONCRETE])
                errors = [text.removeprefix("Permissions Violation for ") for text in user.take_errors()]
                if differs := set(errors) ^ expected_errors(given):
                    wrong.append(f"{differs} {given}: {told(member)} {told(world)}")
            user.close()
    assert not wrong, "\n".join([f"{len(wrong)} of {count}", *wrong[:5]])
    assert 0.05 < refused / count < 0.5


@pytest.mark.parametrize("strict", [False, True], ids=["operator", "strict operator"])
def test_who_is_let_in_is_who_is_called_valid(tmp_path: Path, strict: bool) -> None:  # noqa: FBT001 - a table
    now = int(time.time())
    logins = Logins(Random(SEED), now, strict)  # noqa: S311 - likewise
    for number in range(LOGINS // 20):
        logins.add(number, 10)
    store = create_store(tmp_path, "ACME")
    store.put(logins.jwts)
    verdicts = {verdict.what: verdict for verdict in verify_store(tmp_path, "ACME", now)}
    found = {judged.what: judged.findings for judged in lint_store(store, now)}
    accounts = [jwt for address, jwt in logins.jwts.items() if len(address) == 1]
    wrong = []
    with running(tmp_path, memory(logins.jwts[()], accounts)) as port:
        for login in logins.users:
            connection = Connection(port, login.key, login.jwt)
            connection.close()
            verdict = verdicts[f"user {login.account}/{login.name}"]
            told = [
                finding
                for what in (f"user {login.account}/{login.name}", f"account {login.account}")
                for finding in found[what]
                if finding.code.startswith("C")
                and (finding.severity is Severity.ERROR or finding.code == "C105")
            ]
            account = logins.jwts[login.account,]
            scope = scope_of(account.claims, str(login.jwt.issuer))
            doors = scope.template if scope else login.jwt.claims.body
            if connection.refused:
                fine = not verdict.ok or told or not admits_this_client(doors)
            else:
                fine = verdict.ok
            if not fine:
                state = "refused" if connection.refused else "let in"
                texts = [payload_of(jwt).decode() for jwt in (login.jwt, account)]
                wrong.append(f"{state}, and called {verdict}: {texts}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(logins.users)}", *wrong[:5]])
