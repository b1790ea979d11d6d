"""Desired state: what a file wants, laid over what stands, and the plan that follows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.claims import NO_LIMIT, Account, Operator, Scope, User
from seedless.desired.claims import with_members
from seedless.desired.current_state import CurrentState
from seedless.desired.planner import plan_desired
from seedless.desired.read import account_kind, read
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from seedless.jwt import Claims
    from seedless.signing_pipeline import Plan

NOW = 1_800_000_000
DAY = 86_400
FOREIGN = str(SoftwareKey(Role.ACCOUNT, bytes([7]) * 32).public_key)
BASE = """
[operator]
name = "ACME"
[accounts.ORDERS.users.app]
"""


class World:
    """A store in memory: applying a file signs with software keys, whose names an inventory knows."""

    def __init__(self) -> None:
        self.current = CurrentState()
        self.keys: dict[PublicKey, SoftwareKey] = {}

    def plan(self, text: str, *, prune: bool = False, now: int = NOW) -> Plan:
        desired = read(text.encode(), "file.toml")
        intent = plan_desired(desired, self.current, now=now, seed=self._seed, prune=prune).intent
        made = {new: self._new(new.role, new.name) for new in intent.new_keys}
        return intent.plan(made)

    def apply(self, text: str, *, prune: bool = False, now: int = NOW) -> Plan:
        plan = self.plan(text, prune=prune, now=now)
        jwts: dict[tuple[str, ...], Any] = {(): self.current.operator}
        jwts |= {(name,): jwt for name, jwt in self.current.accounts.items()}
        jwts |= self.current.users
        for change in plan.changes:
            key = self.keys[change.draft.issuer]
            assert change.address is not None
            jwts[change.address] = change.draft.complete(key.sign(change.draft.signing_input))
        for write in plan.store_writes:
            del jwts[write.address]
        self.current = msgspec.structs.replace(
            self.current,
            operator=jwts.pop(()),
            accounts={address[0]: jwt for address, jwt in jwts.items() if len(address) == 1},
            users={(address[0], address[1]): jwt for address, jwt in jwts.items() if len(address) == 2},
        )
        return plan

    def account(self, name: str) -> Claims[Account]:
        return self.current.accounts[name].claims

    def user(self, account: str, name: str) -> Claims[User]:
        return self.current.users[account, name].claims

    def _new(self, role: Role, name: str) -> PublicKey:
        key = SoftwareKey.generate(role)
        self.keys[key.public_key] = key
        called = defaultdict(list, self.current.called)
        called[role, name] = [*called[role, name], key.public_key]
        known = {**self.current.known, str(key.public_key): ""}
        self.current = msgspec.structs.replace(self.current, known=known, called=dict(called))
        return key.public_key

    def _seed(self) -> SoftwareKey:
        return SoftwareKey.generate(Role.USER)


@pytest.fixture
def world() -> World:
    """A store with the operator ACME and the account ORDERS with its user app."""
    made = World()
    made.apply(BASE)
    return made


def addresses(plan: Plan) -> list[tuple[str, ...] | None]:
    return [change.address for change in plan.changes]


def test_the_operator_is_signed_first_then_accounts_then_users() -> None:
    plan = World().plan(BASE + "[accounts.AUDIT.users.eye]")
    assert addresses(plan) == [(), ("ORDERS",), ("AUDIT",), ("ORDERS", "app"), ("AUDIT", "eye")]


def test_what_is_as_it_should_be_is_not_signed_again(world: World) -> None:
    assert addresses(world.plan(BASE, now=NOW + DAY)) == []


def test_what_is_new_has_what_new_claims_have(world: World) -> None:
    assert world.account("ORDERS").body == Account.new()
    assert world.user("ORDERS", "app").body == User.new()


def test_members_that_the_file_does_not_contain_stay_as_they_are(world: World) -> None:
    world.apply(BASE + '[accounts.ORDERS]\ndescription = "of customers"\nlimits = { conn = 5, data = "1G" }')
    world.apply(BASE + "[accounts.ORDERS.limits]\nconn = 6")
    body = world.account("ORDERS").body
    assert (body.description, body.limits.conn, body.limits.data) == ("of customers", 6, 10**9)
    assert body.limits.leaf == NO_LIMIT


def test_lists_are_values_and_are_replaced(world: World) -> None:
    world.apply(BASE + 'pub.allow = ["a", "b"]\ntags = ["x"]')
    world.apply(BASE + 'pub.allow = ["b"]')
    body = world.user("ORDERS", "app").body
    assert (body.pub.allow, body.tags) == (("b",), ("x",))


EXPORTS = """
[[accounts.ORDERS.exports]]
subject = "a.>"
type = "stream"
[[accounts.ORDERS.exports]]
subject = "b"
type = "service"
response_threshold = "500ms"
"""


def test_entries_are_distinguished_and_keep_what_the_file_does_not_contain(world: World) -> None:
    world.apply(BASE + EXPORTS)
    world.apply(BASE + '[[accounts.ORDERS.exports]]\nsubject = "b"\ntype = "service"\ndescription = "ask b"')
    first, second = world.account("ORDERS").body.exports
    assert (first.subject, second.subject) == ("a.>", "b")
    assert (second.description, second.response_threshold) == ("ask b", 500_000_000)


def test_pruning_removes_what_the_file_does_not_name_where_it_names_others(world: World) -> None:
    world.apply(BASE + EXPORTS + '[accounts.ORDERS.mappings]\n"x" = [{ subject = "y" }]')
    world.apply(BASE + '[[accounts.ORDERS.exports]]\nsubject = "b"\ntype = "service"', prune=True)
    body = world.account("ORDERS").body
    assert [export.subject for export in body.exports] == ["b"]
    assert list(body.mappings) == ["x"]


def test_a_pruned_user_is_revoked(world: World) -> None:
    key = world.user("ORDERS", "app").sub
    plan = world.apply("accounts.ORDERS.users = {}", prune=True, now=NOW + 5)
    assert [store_write.address for store_write in plan.store_writes] == [("ORDERS", "app")]
    assert world.account("ORDERS").body.revocations == {key: NOW + 5}


def test_a_pruned_account_takes_its_users_along(world: World) -> None:
    world.apply("[accounts.AUDIT]", now=NOW + 1)
    plan = world.apply("[accounts.AUDIT]", prune=True, now=NOW + 2)
    assert [store_write.address for store_write in plan.store_writes] == [("ORDERS", "app"), ("ORDERS",)]
    assert addresses(plan) == []


def test_without_prune_nothing_is_removed(world: World) -> None:
    plan = world.apply("[accounts.AUDIT]")
    assert plan.store_writes == ()


def test_a_file_without_accounts_prunes_none(world: World) -> None:
    assert world.plan('operator.tags = ["x"]', prune=True).store_writes == ()


def test_the_system_account_is_never_pruned(world: World) -> None:
    world.apply('operator.system_account = "SYS"\n[accounts.SYS.users.sys]')
    assert world.plan("[accounts.ORDERS]", prune=True).store_writes == ()


def test_a_new_system_account_has_the_exports_that_nsc_gives_it(world: World) -> None:
    world.apply('operator.system_account = "SYS"\n[accounts.SYS]')
    assert world.current.operator is not None
    assert world.current.operator.claims.body.system_account == world.account("SYS").sub
    assert [export.name for export in world.account("SYS").body.exports] == [
        "account-monitoring-streams",
        "account-monitoring-services",
    ]


def test_revocations_only_grow_pruned_or_not(world: World) -> None:
    user, other = (str(SoftwareKey(Role.USER, bytes([n]) * 32).public_key) for n in (1, 2))
    world.apply(f'[accounts.ORDERS.revocations]\n{user} = "2026-01-01"\n{other} = 200')
    world.apply(f"[accounts.ORDERS.revocations]\n{other} = 100", prune=True)
    assert world.account("ORDERS").body.revocations == {user: 1_767_225_600, other: 200}


IMPORT = '[[accounts.AUDIT.imports]]\nfrom = "ORDERS"\nsubject = "a.>"\ntype = "stream"\n'


def test_accounts_name_each_other(world: World) -> None:
    world.apply(BASE + EXPORTS + IMPORT)
    (found,) = world.account("AUDIT").body.imports
    assert found.account == world.account("ORDERS").sub


def test_the_exporting_account_stands_around_the_change(world: World) -> None:
    plan = world.plan(IMPORT)
    assert world.account("ORDERS").sub in {jwt.claims.sub for jwt in plan.around}


SCOPE = """
[accounts.ORDERS.signing_keys.billing]
template.pub.allow = ["bill.{{name()}}"]
[accounts.ORDERS.users.clerk]
issuer = "billing"
"""


def test_a_scope_gets_a_key_of_its_own_and_signs_users_that_carry_nothing(world: World) -> None:
    world.apply(SCOPE)
    (scope,) = world.account("ORDERS").body.signing_keys
    assert isinstance(scope, Scope)
    assert (scope.role, scope.template.pub.allow, scope.template.subs) == (
        "billing",
        ("bill.{{name()}}",),
        -1,
    )
    assert str(world.current.users["ORDERS", "clerk"].issuer) == scope.key
    assert world.user("ORDERS", "clerk").body == User(issuer_account=world.account("ORDERS").sub)


def test_a_changed_scope_keeps_its_key_and_its_users(world: World) -> None:
    world.apply(SCOPE)
    (before,) = world.account("ORDERS").body.signing_keys
    plan = world.apply(SCOPE.replace("bill.", "b."), now=NOW + 1)
    (after,) = world.account("ORDERS").body.signing_keys
    assert isinstance(before, Scope)
    assert isinstance(after, Scope)
    assert (addresses(plan), after.key) == ([("ORDERS",)], before.key)


def test_a_user_that_moves_under_a_scope_leaves_its_own_permissions_behind(world: World) -> None:
    world.apply(SCOPE + '[accounts.ORDERS.users.app]\npub.allow = ["x"]\ntags = ["t"]')
    world.apply('[accounts.ORDERS.users.app]\nissuer = "billing"', now=NOW + 1)
    assert world.user("ORDERS", "app").body == User(issuer_account=world.account("ORDERS").sub, tags=("t",))


def test_a_user_that_leaves_a_scope_is_no_longer_without_any_limits(world: World) -> None:
    world.apply(SCOPE)
    account = world.account("ORDERS").sub
    world.apply(f'[accounts.ORDERS.users.clerk]\nissuer = "{account}"', now=NOW + 1)
    assert world.user("ORDERS", "clerk").body == User.new()


def test_a_plain_signing_key_is_found_again_by_its_name(world: World) -> None:
    world.apply("accounts.ORDERS.signing_keys.main = {}")
    (key,) = world.account("ORDERS").body.signing_keys
    plan = world.plan("accounts.ORDERS.signing_keys.main = {}", now=NOW + 1)
    assert (isinstance(key, str), addresses(plan)) == (True, [])


def test_accounts_are_signed_by_the_signing_key_of_the_operator() -> None:
    world = World()
    world.apply('[operator]\nname = "ACME"\nsigning_keys.main = {}\n[accounts.ORDERS]')
    assert world.current.operator is not None
    (key,) = world.current.operator.claims.body.signing_keys
    assert str(world.current.accounts["ORDERS"].issuer) == key


def test_an_account_whose_issuer_goes_is_signed_by_another() -> None:
    world = World()
    world.apply('[operator]\nname = "ACME"\nsigning_keys.main = {}\n[accounts.ORDERS]')
    plan = world.apply("operator.signing_keys = {}\n[accounts.ORDERS]", prune=True, now=NOW + 1)
    assert addresses(plan) == [(), ("ORDERS",)]
    assert world.current.operator is not None
    assert str(world.current.accounts["ORDERS"].issuer) == world.current.operator.claims.sub


def test_a_signing_key_that_others_depend_on_is_not_pruned(world: World) -> None:
    world.apply(SCOPE)
    with pytest.raises(UsageError, match='user "clerk" was signed by A'):
        world.plan("accounts.ORDERS.signing_keys = {}", prune=True)


def test_a_validity_counts_from_the_signature_and_is_kept_while_it_lasts(world: World) -> None:
    text = BASE + 'exp = "30d"\n'
    world.apply(text)
    assert world.user("ORDERS", "app").exp == world.current.users["ORDERS", "app"].issued_at + 30 * DAY
    assert addresses(world.plan(text, now=NOW + 29 * DAY)) == []
    assert addresses(world.plan(text, now=NOW + 31 * DAY)) == [("ORDERS", "app")]


def test_a_validity_is_renewed_when_little_is_left_of_it(world: World) -> None:
    text = BASE + 'exp = "30d"\nrenew = "10d"\n'
    world.apply(text)
    assert addresses(world.plan(text, now=NOW + 19 * DAY)) == []
    world.apply(text, now=NOW + 21 * DAY)
    assert world.user("ORDERS", "app").exp == NOW + 51 * DAY


def test_a_shorter_validity_is_signed_again(world: World) -> None:
    world.apply(BASE + 'exp = "30d"')
    assert addresses(world.plan(BASE + 'exp = "7d"')) == [("ORDERS", "app")]


def test_what_is_changed_gets_its_whole_validity(world: World) -> None:
    world.apply(BASE + 'exp = "30d"')
    world.apply(BASE + 'exp = "30d"\ntags = ["x"]', now=NOW + 9 * DAY)
    assert world.user("ORDERS", "app").exp == NOW + 39 * DAY


TENANTS = """
[templates.standard]
description = "tenant {{tenant}} in {{region}}"
limits = { conn = "{{conn}}" }
[templates.standard.users."{{tenant}}-app"]
pub.allow = ["{{ tenant }}.>", "{{name()}}"]
[[tenants]]
template = "standard"
names = ["t1", "t2"]
vars = { region = "eu", conn = 7 }
"""


def test_tenants_are_accounts_made_from_a_template(world: World) -> None:
    world.apply(TENANTS)
    body = world.account("t2").body
    assert (body.description, body.limits.conn) == ("tenant t2 in eu", 7)
    assert world.user("t1", "t1-app").body.pub.allow == ("t1.>", "{{name()}}")


def test_false_takes_an_optional_part_away(world: World) -> None:
    world.apply('accounts.ORDERS.trace.dest = "trace"')
    assert world.account("ORDERS").body.trace is not None
    world.apply("accounts.ORDERS.trace = false")
    assert world.account("ORDERS").body.trace is None


def test_callout_names_users_and_accounts(world: World) -> None:
    world.apply(
        BASE
        + '[accounts.ORDERS.authorization]\nauth_users = ["app"]\nallowed_accounts = ["*", "B"]\n[accounts.B]'
    )
    said = world.account("ORDERS").body.authorization
    assert said.auth_users == (world.user("ORDERS", "app").sub,)
    assert said.allowed_accounts == ("*", world.account("B").sub)


def test_a_key_that_a_killed_run_has_made_is_taken_up(world: World) -> None:
    left = world._new(Role.ACCOUNT, "AUDIT")
    world.apply("[accounts.AUDIT]")
    assert world.account("AUDIT").sub == str(left)


def test_a_key_that_some_jwt_is_about_is_not_taken_for_another_of_the_same_name(world: World) -> None:
    used = world._new(Role.ACCOUNT, "AUDIT")  # of an account that has another name now
    world.current = msgspec.structs.replace(world.current, is_used=lambda key: key == used)
    world.apply("[accounts.AUDIT]")
    assert world.account("AUDIT").sub != str(used)


WRONG = {
    "an unknown member": (
        "[accounts.A]\nlimit = {}",
        "accounts.A.limit: nothing is known by this name, did you mean limits?",
    ),
    "a wrong unit": (
        'accounts.A.limits.data = "X"',
        "accounts.A.limits.data: 'X' is not a number: write 512",
    ),
    "a wrong type": (
        "accounts.A.limits.conn = true",
        "accounts.A.limits.conn: expected a whole number, found true",
    ),
    "no table": ("accounts = 1", "accounts: expected a table, found 1"),
    "no list": ("accounts.A.tags = 1", "accounts.A.tags: expected a list, found 1"),
    "a missing member": ("accounts.A.exports = [{}]", "accounts.A.exports[0].subject: is missing"),
    "a member in a list": (
        'accounts.A.exports = [{ subject = "a", type = "strem" }]',
        'accounts.A.exports[0].type: "strem" is none of service, stream',
    ),
    "no key": ('accounts.A.public_key = "ABC"', 'accounts.A.public_key: "ABC" is not a public key: '),
    "a key of another role": (
        f'operator.public_key = "{FOREIGN}"',
        "is not the key of an operator",
    ),
    "a bad name": ('accounts."" = {}', 'the name "" is empty'),
    "no template": (
        'tenants = [{ template = "x", name = "t" }]',
        'tenants[0].template: there is no template "x"',
    ),
    "a template almost": (
        'templates.standard = {}\ntenants = [{ template = "standrad", name = "t" }]',
        'there is no template "standrad", did you mean standard?',
    ),
    "an unknown variable": (
        (
            'templates.s.description = "{{regoin}}"\n'
            'tenants = [{ template = "s", name = "t", vars = { region = 1 } }]'
        ),
        "templates.s.description (for t): nobody gives the variable regoin, did you mean region?",
    ),
    "an unused variable": (
        'templates.s = {}\ntenants = [{ template = "s", name = "t", vars = { x = 1 } }]',
        "templates.s (for t): the template has no variable x",
    ),
    "a slip in a template": (
        'templates.s.limits.con = 1\ntenants = [{ template = "s", name = "t" }]',
        "templates.s.limits.con (for t): nothing is known by this name, did you mean conn?",
    ),
    "an account twice": (
        'accounts.t = {}\ntemplates.s = {}\ntenants = [{ template = "s", name = "t" }]',
        'tenants[0]: account "t" occurs twice, in accounts.t too',
    ),
    "name and names": (
        'templates.s = {}\ntenants = [{ template = "s" }]',
        "tenants[0]: expected name or names, one of them",
    ),
    "a span where a date belongs": (
        'accounts.A.revocations."*" = "30d"',
        'accounts.A.revocations.*: "30d" is not a time: write 2027-01-31',
    ),
    "renewal of what has no validity": (
        'accounts.A.users.u = { exp = 2027-01-31, renew = "3d" }',
        "accounts.A.users.u.renew: goes with a validity",
    ),
    "renewal that is not shorter": (
        'accounts.A.users.u = { exp = "1M", renew = "28d" }',
        "accounts.A.users.u.renew: is not shorter than exp: each run would sign it again",
    ),
    "no TOML": ("accounts = [", "invalid value (at end of document)"),
    "no JSON": ('{"accounts": ', "f: "),
    "a name twice in JSON": ('{"accounts": {"A": {}, "A": {}}}', "accounts.A"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_reported_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text.encode(), "f")
    assert caught.value.message.startswith("f: ")
    assert sentence in caught.value.message


def test_a_validity_that_cannot_be_read_is_reported_once_with_what_to_write() -> None:
    with pytest.raises(UsageError) as caught:
        read(b'accounts.A.users.u = { exp = "90 days", renew = "30d" }', "f")
    assert caught.value.message == (
        'f: accounts.A.users.u.exp: "90 days" is not a time: '
        "write 30d, 2027-01-31, 2027-01-31T12:00:00Z, Unix seconds, or 0 for none"
    )


def test_bytes_that_are_no_text_are_named_with_their_line() -> None:
    with pytest.raises(UsageError, match=r"^f: not UTF-8: byte 0xff \(at line 2\)$"):
        read(b"accounts.A = {}\n# \xff", "f")


def test_all_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(UsageError, match=r"accounts\.A\.x: .*; accounts\.A\.y: "):
        read(b"accounts.A = { x = 1, y = 2 }", "f")


CANNOT = {
    "an account that is not there": (
        IMPORT.replace('"ORDERS"', '"ORDRES"'),
        r'accounts.AUDIT.imports\[0\].from: there is no account "ORDRES"',
    ),
    "neither name nor key of an exporter": (
        IMPORT.replace('from = "ORDERS"', ""),
        r"accounts.AUDIT.imports\[0\]: expected from or account, one of them",
    ),
    "another key": (
        f'accounts.ORDERS.public_key = "{FOREIGN}"',
        'account "ORDERS" is A.* in the store, and file.toml has A',
    ),
    "an issuer that is none": (
        BASE + 'issuer = "billing"',
        r'^accounts\.ORDERS\.users\.app\.issuer: "billing" is not a key or role of account ORDERS',
    ),
    "a name that cannot be seen": ('accounts."a\u200bb" = {}', "holds a character that cannot be seen"),
    "a system account that is not there": (
        'operator.system_account = "NOBODY"',
        'operator.system_account: there is no account "NOBODY"',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), CANNOT.values(), ids=CANNOT)
def test_what_cannot_be_is_reported_with_its_place(world: World, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        world.plan(text)


def test_there_is_no_system_without_an_operator() -> None:
    with pytest.raises(UsageError, match="there is no operator yet"):
        World().plan("[accounts.A]")


def test_an_operator_can_be_created_with_everything_that_it_can_contain() -> None:
    world = World()
    world.apply(
        '[operator]\nname = "ACME"\naccount_server_url = "nats://localhost:4222"\n'
        "strict_signing_key_usage = true\nsigning_keys.main = {}\nexp = 2030-01-01"
    )
    assert world.current.operator is not None
    claims = world.current.operator.claims
    assert (claims.name, claims.exp) == ("ACME", 1_893_456_000)
    assert claims.body == Operator(
        signing_keys=claims.body.signing_keys,
        account_server_url="nats://localhost:4222",
        strict_signing_key_usage=True,
    )


def test_what_claims_cannot_hold_is_reported_with_its_place() -> None:
    with pytest.raises(UsageError, match=r'^accounts.A.limits.conn: expected a whole number, found "many"$'):
        with_members(Account.new(), {"limits": {"conn": "many"}}, account_kind(), "accounts.A", prune=False)
