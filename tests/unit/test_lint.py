"""Rules for server configurations: each issue is found at its place, and what seedless writes is clean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.claims import Account, Operator, User
from seedless.findings import Severity
from seedless.jwt import Claims, Jwt, draft
from seedless.lint import rules
from seedless.nats_config.lint import find_server, lint_configuration
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.server_config import full, memory, nkey_users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedless.findings import Finding

    Lint = Callable[..., list[Finding]]

NOW = 1_700_000_000


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, OTHER, SIGNING = (key(Role.OPERATOR, number) for number in (1, 2, 3))
SYSTEM, ORDERS = (key(Role.ACCOUNT, number) for number in (1, 2))
O, S, A, U = (str(one.public_key) for one in (OPERATOR, SYSTEM, ORDERS, key(Role.USER, 1)))  # noqa: E741 - as NATS says
SEED = key(Role.USER, 1).reveal()


def signed(by: SoftwareKey, sub: str, name: str, body: Any, **times: int) -> Jwt[Any]:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=sub, name=name, body=body, **times), by.public_key, NOW - 100)
    return made.complete(by.sign(made.signing_input))


def operator(by: SoftwareKey = OPERATOR, exp: int = 0, nbf: int = 0, **members: Any) -> Jwt[Any]:  # noqa: ANN401 - claims
    return signed(by, O, "ACME", Operator(**{"system_account": S} | members), exp=exp, nbf=nbf)


def account(by: SoftwareKey = OPERATOR, sub: str = A, name: str = "ORDERS", **times: int) -> Jwt[Any]:
    return signed(by, sub, name, Account.new(), **times)


def system(by: SoftwareKey = OPERATOR) -> Jwt[Any]:
    return account(by, S, "SYS")


def preload(*entries: tuple[str, str]) -> str:
    return "resolver_preload {\n" + "".join(f"  {key}: {text}\n" for key, text in entries) + "}\n"


def trusting(root: Jwt[Any], *entries: tuple[str, str], resolver: str = "MEMORY") -> str:
    """Return a configuration of three lines and a preload, which begins in line 3."""
    return f"operator: {root.text}\nresolver: {resolver}\n" + preload(*entries)


ROOT, ACCOUNT, SYS = operator(), (A, account().text), (S, system().text)
STRICT = operator(signing_keys=(str(SIGNING.public_key),), strict_signing_key_usage=True)
LOOSE = operator(signing_keys=(str(SIGNING.public_key),))
FULL = "{ type: full, dir: './jwt' }"
SECOND = signed(OTHER, str(OTHER.public_key), "B", Operator())
URL = "https://accounts.example/jwt/v1"
ASKED = "authorization { user: a, password: b }"


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    def look(text: str, **options: Any) -> list[Finding]:  # noqa: ANN401 - options of lint
        path = tmp_path / "s.conf"
        path.write_text(text)
        return lint_configuration(path, {}, NOW, **options)

    return look


def told(findings: list[Finding]) -> list[str]:
    """Return code and place within the file of each of *findings*."""
    return [f"{finding.code} {finding.where.partition('s.conf:')[2]}".rstrip() for finding in findings]


def users(entry: str) -> str:
    return f"authorization {{ users = [\n {{ {entry} }}\n] }}"


LOGINS = {
    "a public key as a name": (users(f'user: "{U}"'), ["S003 2:4"]),
    "with an empty password": (users(f'user: {U}, password: ""'), ["S003 2:4"]),
    "with a password": (users(f"user: {U}, password: x"), []),
    "under another word": (users(f"USERNAME: {U}"), ["S003 2:4"]),
    "alone": (f"authorization {{ user: {U} }}", ["S003 1:17"]),
    "in an account": (f"accounts {{ A {{ users: [\n {{ user: {U} }} ] }} }}", ["S003 2:4"]),
    "of leafnodes": (
        users("user: a, password: b") + f"\nleafnodes {{ authorization {{ user: {U} }} }}",
        ["S003 4:29"],
    ),
    "of leafnodes, in a list": (
        users("user: a, password: b") + f"\nleafnodes {{ authorization {{ users: [ {{ user: {U} }} ] }} }}",
        ["S003 4:40"],
    ),
    "of a route": (
        users("user: a, password: b") + f"\ncluster {{ authorization {{ user: {U} }} }}",
        ["S003 4:27"],
    ),
    "of a gateway": (
        users("user: a, password: b") + f"\ngateway {{ authorization {{ user: {U} }} }}",
        ["S003 4:27"],
    ),
    "of websockets": (
        users("user: a, password: b") + f"\nwebsocket {{ authorization {{ user: {U} }} }}",
        ["S003 4:29"],
    ),
    "of MQTT": (users("user: a, password: b") + f"\nmqtt {{ authorization {{ user: {U} }} }}", ["S003 4:24"]),
    "as a token": (f"authorization {{ token: {U} }}", ["S003 1:17"]),
    "through a variable": (f"authorization {{ k: {U}, users: [ {{ user: $k }} ] }}", ["S003 1:89"]),
    "mapped from a certificate": (f"tls {{ verify_and_map: true }}\n{users(f'user: {U}')}", []),
    "a name without a password": (users("user: bob"), ["S004 2:4"]),
    "a name with one": (users("user: bob, pass: x"), []),
    "an nkey": (users(f"nkey: {U}"), []),
    "an account as an nkey": (users(f"nkey: {A}"), ["S005 2:4"]),
    "junk as an nkey": (users("nkey: UABC"), ["S005 2:4"]),
    "a user as the nkey of an account": (
        f"accounts {{ A {{ nkey: {U}, users: [{{ nkey: {U} }}] }} }}",
        ["S005 1:16"],
    ),
    "the nkey of an account": (f"accounts {{ A {{ nkey: {A}, users: [{{ nkey: {U} }}] }} }}", []),
    "a seed as an nkey": (users(f"nkey: {SEED}"), ["S005 2:4", "S006 2:10"]),
    "a seed in a comment": (users(f"nkey: {U} # {SEED}\n"), ["S006 2:69"]),
    "what only looks like a seed": (users(f"nkey: {U} # {SEED[:-1]}{'B' if SEED[-1] != 'B' else 'C'}\n"), []),
    "an empty authorization": ("authorization { }", ["S007 1:1"]),
    "an empty list": ("authorization { users = [] }", ["S007 1:1"]),
    "an empty token": ('authorization { token: "" }', ["S007 1:1"]),
    "a token": ("authorization { token: x }", []),
    "no operators": ("operator: []", ["S007 1:1"]),
    "no trusted keys": ("trusted_keys: []", ["S007 1:1"]),
    "nothing": ("port: 4222", ["S007 1:1"]),
    "an auth callout": (f"authorization {{ auth_callout {{ issuer: {A}, auth_users: [a] }} }}", []),
    "somebody for everybody": ("no_auth_user: a\n" + users("user: a, password: b"), ["S008 1:1"]),
    "somebody for websockets": (
        users("user: a, password: b") + "\nwebsocket { no_auth_user: a }",
        ["S008 4:13"],
    ),
    "nobody for everybody": ('no_auth_user: ""\n' + users("user: a, password: b"), []),
}
WORDS = {
    "nkey_dir": (f"authorization {{ nkey_dir: x, users: [ {{ nkey: {U} }} ] }}", ["S009 1:17"]),
    "nkey_dir at the top": (f"nkey_dir: x\n{users(f'nkey: {U}')}", ["S009 1:1"]),
    "type: nkey": (users(f"nkey: {U}, type: nkey"), ["S009 2:68"]),
    "allow_subscriptions": (users(f"nkey: {U}, permissions {{ allow_subscriptions: [a] }}"), ["S009 2:82"]),
    "a slip of the pen": (users(f"nkey: {U}, permissions {{ publish: {{ alow: a }} }}"), ["S009 2:93"]),
    "an answer that is none": (
        users(f"nkey: {U}, permissions {{ allow_responses: {{ many: 1 }} }}"),
        ["S009 2:101"],
    ),
    "a duration that is none": (f"{ASKED}\nping_interval: soon", ["S029 2:1"]),
    "a duration": (f"{ASKED}\nping_interval: 1m30s", []),
    "seconds, of which servers warn": (f"{ASKED}\nping_interval: 5", []),
    "an address that is none": (f"{ASKED}\nlisten: here", ["S029 2:1"]),
    "an address": (f"{ASKED}\nlisten: '[::1]:4222'", []),
    "a truth in quotes": (f'{ASKED}\ndebug: "yes"', ["S029 2:1"]),
    "a word that takes nothing here": (f"{ASKED}\ncluster {{ authorization {{ token: x }} }}", ["S029 2:27"]),
    "a word of no cluster": (f"{ASKED}\ncluster {{ colour: red }}", ["S009 2:11"]),
    "in upper case": (f"{ASKED}\nMAX_PAYLOAD: 1k", []),
    "in upper case where the case counts": (f"{ASKED}\nocsp {{ Mode: auto }}", ["S009 2:8"]),
    "a variable that TLS does not let pass": (f"{ASKED}\ntls {{ mine: a, ca_file: $mine }}", ["S009 2:7"]),
    "a word of a newer server": (f"{ASKED}\nno_fast_producer_stall: true", []),
    "responses by other words": (
        users(f"nkey: {U}, permissions {{ publish_allow_responses: {{ max_messages: 1, expiration: 1m }} }}"),
        ["S029 2:126"],
    ),
    "a comment that names no rule": (f"{ASKED} # seedless: allow S999", ["S030 1:40"]),
    "an nkey with a name": (users(f"nkey: {U}, user: a, password: b"), ["S005 2:2"]),
    "a user without a name": (users("password: b"), ["S005 2:2", "S007 1:1"]),
    "a word of another block": (
        "leafnodes { authorization { users: [{ nkey: x }] } }",
        ["S005 1:39", "S007 1:1", "S009 1:39"],
    ),
    "a word that is a variable": (f"authorization {{ mine: {U}, users: [ {{ nkey: $mine }} ] }}", []),
    "a word of the resolver": (
        trusting(ROOT, SYS, resolver="{ type: full, dir: x, allow_deletes: true }"),
        ["S010 2:33"],
    ),
    "two authorizations": ("authorization { token: a }\nauthorization { token: b }", ["S011 2:1"]),
    "two users": ("authorization { user: a, user: b, password: c }", ["S011 1:26"]),
}
TRUST = {
    "memory": (trusting(ROOT, ACCOUNT, SYS), []),
    "full": (trusting(ROOT, SYS, resolver=FULL), []),
    "strict": (trusting(STRICT, (S, system(SIGNING).text)), []),
    "an operator that is none": (f"operator: eyJ\nresolver: MEM\n{preload(SYS)}", ["S012 1:11", "S017 4:3"]),
    "an operator that is an account": (f"operator: {ACCOUNT[1]}\nresolver: MEMORY\n", ["S012 1:11"]),
    "an operator in no file": ("operator: nope.jwt\nresolver: MEMORY\n", ["S012 1:11"]),
    "an operator that is a seed": (f"operator: {SEED}\nresolver: MEMORY\n", ["S006 1:11", "S012 1:11"]),
    "an operator by another": (trusting(operator(OTHER), SYS), ["S013 1:11"]),
    "an operator that has expired": (trusting(operator(exp=NOW - 1), SYS), ["S014 1:11"]),
    "an operator that does not hold yet": (trusting(operator(nbf=NOW + 1), SYS), ["S014 1:11"]),
    "an operator that expires now": (trusting(operator(exp=NOW, nbf=NOW), SYS), []),
    "signing keys without strictness": (trusting(LOOSE, SYS), ["S015 1:11"]),
    "a damaged account": (trusting(ROOT, (A, ACCOUNT[1][:-4] + "AAAA"), SYS), ["S016 4:3"]),
    "an account that is not text": (f"{trusting(ROOT, SYS)}", []),
    "an account under another key": (trusting(ROOT, (A, SYS[1]), SYS), ["S016 4:3"]),
    "an operator as an account": (trusting(ROOT, (A, ROOT.text), SYS), ["S016 4:3"]),
    "an account by another operator": (trusting(ROOT, (A, account(OTHER).text), SYS), ["S017 4:3"]),
    "an account by a strict identity": (trusting(STRICT, ACCOUNT, (S, system(SIGNING).text)), ["S017 4:3"]),
    "an account by a trusted key": (f"trusted_keys: {O}\nresolver: MEMORY\n{preload(ACCOUNT)}", []),
    "an account by no trusted key": (
        f"trusted_keys: [{O}]\nresolver: MEMORY\n{preload((A, account(OTHER).text))}", ["S017 4:3"]
    ),
    "an account that has expired": (trusting(ROOT, (A, account(exp=NOW - 1).text), SYS), ["S018 4:3"]),
    "an account that does not hold yet": (trusting(ROOT, (A, account(nbf=NOW + 1).text), SYS), ["S018 4:3"]),
    "two system accounts": (f"system_account: {A}\n{trusting(ROOT, ACCOUNT, SYS)}", ["S019 1:1"]),
    "the same twice": (f"system_account: {S}\n{trusting(ROOT, ACCOUNT, SYS)}", []),
    "no system account in memory": (trusting(ROOT, ACCOUNT), ["S020 1:11"]),
    "no system account": (trusting(operator(system_account=""), ACCOUNT), ["S020 1:11"]),
    "no system account, full": (trusting(operator(system_account=""), resolver=FULL), ["S020 1:11"]),
    "a system account that is not preloaded, full": (trusting(ROOT, resolver=FULL), ["S020 1:11"]),
    "trusted keys beside": (f"trusted_keys: {O}\n{trusting(ROOT, SYS)}", ["S021 1:1"]),
    "accounts beside": (f"accounts {{ A {{ }} }}\n{trusting(ROOT, SYS)}", ["S021 1:1"]),
    "users beside": (f"{users('user: a, password: b')}\n{trusting(ROOT, SYS)}", ["S021 1:17"]),
    "an empty list of users beside": (f"authorization {{ users: [] }}\n{trusting(ROOT, SYS)}", []),
    "no trusted keys beside": (f"trusted_keys: []\n{trusting(ROOT, SYS)}", []),
    "the resolver that the operator names": (f"operator: {operator(account_server_url=URL).text}\n", []),
    "the resolver that the operator names, and a preload": (
        f"operator: {operator(account_server_url=URL).text}\n{preload(SYS)}", ["S022 1:11"]
    ),
    "a resolver of an operator beside another": (
        f"operator: [ {operator(account_server_url=URL).text}, {SECOND.text} ]",
        ["S020 1:13", "S022 1:13"],
    ),
    "a resolver without a folder": (trusting(ROOT, SYS, resolver="{ type: full }"), ["S022 2:1"]),
    "a full resolver that forgets": (
        trusting(ROOT, SYS, resolver="{ type: full, dir: x, ttl: 1h }"), ["S022 2:1"]
    ),
    "a cache that deletes": (
        trusting(ROOT, SYS, resolver="{ type: cache, dir: x, allow_delete: true }"), ["S022 2:1"]
    ),
    "a cache that does not": (
        trusting(ROOT, SYS, resolver="{ type: cache, dir: x, allow_delete: false }"), []
    ),
    "a resolver of no type": (trusting(ROOT, SYS, resolver="{ dir: x }"), ["S022 2:1"]),
    "a resolver of no known name": (trusting(ROOT, SYS, resolver="HERE"), ["S022 2:1"]),
    "a resolver without an operator": (f"{ASKED}\nresolver: {FULL}", ["S022 2:1"]),
    "a timeout beside": (f"authorization {{ timeout: 1 }}\n{trusting(ROOT, SYS)}", []),
    "somebody for everybody beside": (f"no_auth_user: {U}\n{trusting(ROOT, SYS)}", ["S008 1:1"]),
    "no resolver": (f"operator: {ROOT.text}\n{preload(SYS)}", ["S022 1:11"]),
    "a resolver that takes no preload": (trusting(ROOT, SYS, resolver="URL(http://a/)"), ["S022 2:1"]),
}  # fmt: skip
CLUSTER = "cluster { name: c, listen: '0.0.0.0:6222'"
PORTS = {
    "a cluster port without a login": (f"{ASKED}\n{CLUSTER} }}", ["S024 2:20"]),
    "a cluster port with an empty login": (
        f"{ASKED}\n{CLUSTER}, authorization {{ user: '', password: '' }} }}",
        ["S024 2:20"],
    ),
    "a cluster port with a login": (
        f"{ASKED}\n{CLUSTER}, authorization {{ user: x, password: y }} }}",
        [],
    ),
    "a cluster port with certificates": (f"{ASKED}\n{CLUSTER}, tls {{ ca_file: x }} }}", []),
    "a cluster that does not listen": (f"{ASKED}\ncluster {{ name: c, routes: ['nats://a:6222'] }}", []),
    "a gateway that wants to know a name": (
        f"{ASKED}\ngateway {{ name: c, port: 7222, reject_unknown_cluster: true }}",
        ["S024 2:20"],
    ),
    "leaf nodes where nobody is asked": ("leafnodes { port: 7422 }", ["S007 1:1", "S025 1:13"]),
    "leaf nodes where somebody stands for all": (
        f"no_auth_user: a\n{ASKED}\nleafnodes {{ port: 7422 }}",
        ["S008 1:1", "S025 3:13"],
    ),
    "leaf nodes that show a certificate": (
        "leafnodes { port: 7422, tls { verify: true } }",
        ["S007 1:1"],
    ),
    "leaf nodes that log in as clients do": (f"{ASKED}\nleafnodes {{ port: 7422 }}", []),
    "monitoring on every address": (f"{ASKED}\nhttp_port: 8222", ["S026 2:1"]),
    "monitoring on one address": (f"{ASKED}\nhttp: '10.0.0.1:8222'", ["S026 2:1"]),
    "monitoring by TLS": (f"{ASKED}\nhttps_port: 8222", ["S026 2:1"]),
    "monitoring on loopback": (f"{ASKED}\nhttp: localhost:8222", []),
    "monitoring on the host of clients": (f"host: 127.0.0.1\n{ASKED}\nhttp_port: 8222", []),
    "profiling": (f"{ASKED}\nprof_port: 6060", ["S027 2:1"]),
    "profiling that is off": (f"{ASKED}\nprof_port: 0", []),
    "a leaf node that takes every certificate": (
        f"{ASKED}\nleafnodes {{ remotes: [ {{ url: 'tls://hub', tls {{ insecure: true }} }} ] }}",
        ["S028 2:50"],
    ),
    "a resolver whose certificate counts for nothing": (
        f"{ASKED}\nresolver_tls {{ insecure: true }}",
        ["S028 2:16"],
    ),
    "websocket in plain text": (f"{ASKED}\nwebsocket {{ port: 80, no_tls: true }}", ["S028 2:23"]),
    "an empty user with a password": ("authorization { user: '', password: x }", ["S007 1:1"]),
    "users in the system account alone": (
        "accounts { SYS { users: [ { user: a, password: b } ] } }\nsystem_account: SYS",
        ["S007 1:27"],
    ),
    "users in another account too": (
        f"accounts {{ SYS {{ users: [ {{ user: a, password: b }} ] }}, A {{ users: [ {{ nkey: {U} }} ] }} }}",
        [],
    ),
    "a sentinel": (f"default_sentinel: eyJ\n{trusting(ROOT, SYS)}", ["S008 1:1"]),
}
CASES = LOGINS | WORDS | TRUST | PORTS


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_found_where_it_stands_and_nothing_else(
    lint: Lint,
    text: str,
    expected: list[str],
) -> None:
    assert sorted(told(lint(text))) == expected


def test_every_rule_for_configurations_has_a_case() -> None:
    found = {code.partition(" ")[0] for _, expected in CASES.values() for code in expected}
    codes = {rule.__name__[:4].upper() for rule in rules() if rule.__name__.startswith("s")}
    assert codes - found == {"S001", "S002", "S023"}


GRAVE = {
    "S007": ("port: 4222", Severity.WARNING),
    "S008": ("no_auth_user: a\n" + users("user: a, password: b"), Severity.WARNING),
    "S014": (trusting(operator(exp=NOW - 1), SYS), Severity.WARNING),
    "S018": (trusting(ROOT, (A, account(exp=NOW - 1).text), SYS), Severity.TIMECHECK),
    "S020": (trusting(operator(system_account=""), ACCOUNT), Severity.WARNING),
}


@pytest.mark.parametrize(("text", "severity"), GRAVE.values(), ids=GRAVE)
def test_what_a_server_lives_with_is_no_error(lint: Lint, text: str, severity: Severity) -> None:
    assert [finding.severity for finding in lint(text)] == [severity]


@pytest.mark.parametrize(
    "text",
    [
        memory(ROOT, [account(), system()], S),
        memory(operator(system_account=""), [account(), system()], S),
        full(ROOT, [system()]),
        full(ROOT, [system()], allow_delete=True),
        nkey_users([key(Role.USER, 1).public_key, key(Role.USER, 2).public_key]),
    ],
    ids=["memory", "memory with a system account of its own", "full", "full with delete", "nkey users"],
)
def test_what_seedless_writes_is_clean(lint: Lint, text: str) -> None:
    assert lint(text) == []


def test_allow_delete_is_asked_for_only_when_it_is_required(lint: Lint) -> None:
    off, on = full(ROOT, [system()]), full(ROOT, [system()], allow_delete=True)
    assert told(lint(off, requires_delete=True)) == ["S023 8:1"]
    assert told(lint(memory(ROOT, [system()], S), requires_delete=True)) == ["S023 6:1"]
    assert lint(on, requires_delete=True) == []


def test_no_finding_quotes_a_seed(lint: Lint) -> None:
    for text in (
        users(f"nkey: {SEED}"),
        users(f"user: {SEED}"),
        users(f"{SEED}: x"),
        f"operator: {SEED}",
        f"no_auth_user: {SEED}\n{users('user: a, password: b')}",
        f"{SEED}",
        f"x: ${SEED}",
        f"include {SEED}",
        trusting(ROOT, (SEED, SYS[1]), SYS),
        f"system_account: {SEED}\n{trusting(ROOT, SYS)}",
    ):
        findings = lint(text)
        assert findings
        assert not [finding for finding in findings if SEED[4:40] in f"{finding}"]


def test_a_configuration_that_cannot_be_read_is_a_finding(lint: Lint, tmp_path: Path) -> None:
    (found,) = lint("authorization {")
    assert (found.code, found.severity, found.about) == ("S001", Severity.ERROR, str(tmp_path / "s.conf"))
    assert found.text == f"cannot be read: {tmp_path}/s.conf:1:16: a brace {{ is never closed"


def test_an_operator_is_read_from_a_file_beside_the_configuration(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "operator.jwt").write_text(
        f"-----BEGIN NATS OPERATOR JWT-----\n{ROOT.text}\n------END NATS OPERATOR JWT------\n"
    )
    assert lint(f"operator: operator.jwt\nresolver: MEMORY\n{preload(SYS)}") == []


def test_findings_in_an_included_file_name_it(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "users.conf").write_text(f"users = [ {{ user: {U} }} ]")
    (found,) = lint("authorization { include users.conf }")
    assert (found.code, found.where) == ("S003", f"{tmp_path}/users.conf:1:13")


def test_an_unknown_member_of_a_user_gets_a_hint(lint: Lint) -> None:
    (found,) = lint(users(f"nkey: {U}, type: nkey"))
    assert found.hint == "a user is an NKey user by nkey: U… alone"
    (found,) = lint(users(f"nkey: {U}, permision {{ }}"))
    assert found.hint == "did you mean permission?"


def test_a_configuration_with_many_users_is_linted_in_one_go(lint: Lint) -> None:
    many = "".join(f" {{ user: u{number} }}\n" for number in range(2_000))
    assert len(lint(f"authorization {{ users = [\n{many}] }}")) == 2_000


def test_variables_that_double_are_looked_at_once(lint: Lint) -> None:
    lines = ["v0: {a: b}", *(f"v{n}: [$v{n - 1}, $v{n - 1}]" for n in range(1, 40))]
    assert told(lint("\n".join([*lines, users(f"nkey: {U}")]))) == ["S009 40:1"]


def test_claims_that_are_no_users_are_no_account(lint: Lint) -> None:
    user = signed(ORDERS, U, "app", msgspec.structs.replace(User.new()))
    (found,) = lint(trusting(ROOT, (A, user.text), SYS))
    assert found.text == "this is not an account jwt: these are user claims; servers do not start"


def program(folder: Path, script: str) -> str:
    """Write a stand-in for nats-server, which says what it is told to."""
    path = folder / "nats-server"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_reports_of_the_server_are_shown_without_those_already_shown(lint: Lint, tmp_path: Path) -> None:
    said = "nats-server: s.conf:1:0: odd\\ns.conf:2:3: known\\nstrange\\n"
    asked = program(tmp_path, f"cd {tmp_path}; printf '{said}' | sed s@s.conf@{tmp_path}/s.conf@ >&2; exit 1")
    found = [(one.code, one.where, one.text) for one in lint(users(f"user: {U}"), program=asked)]
    path = tmp_path / "s.conf"
    assert found[1:] == [
        ("S002", f"{path}:1", "nats-server refuses it: odd"),
        ("S002", f"{path}", "nats-server refuses it: strange"),
    ]
    assert [code for code, _, _ in found] == ["S003", "S002", "S002"]


def test_the_server_is_given_only_the_variables_that_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "s.conf"
    path.write_text("authorization { token: $TOKEN }")
    asked = program(tmp_path, f"env > {tmp_path}/seen")
    environment = {"TOKEN": "x", "PIN": "1234", "PATH": "/bin:/usr/bin"}
    assert lint_configuration(path, environment, NOW, program=asked) == []
    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert "TOKEN" in seen
    assert "PIN" not in seen


def test_the_folder_that_a_test_of_the_server_makes_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.conf"
    server = find_server()
    for folder in ("jwt", "a/b/c", str(tmp_path / "absolute")):
        path.write_text(full(ROOT, [system()], folder=folder))
        assert lint_configuration(path, {}, NOW, program=server) == []
    assert [found.name for found in tmp_path.iterdir()] == ["s.conf"]
    (tmp_path / "jwt").mkdir()
    path.write_text(full(ROOT, [system()], folder="jwt"))
    assert lint_configuration(path, {}, NOW, program=server) == []
    assert (tmp_path / "jwt").is_dir()


def test_a_program_that_cannot_be_run_is_a_finding(lint: Lint, tmp_path: Path) -> None:
    (found,) = lint(users(f"nkey: {U}"), program=str(tmp_path / "nope"))
    assert found.text == "nats-server refuses it: it cannot be run: no such file or directory"
