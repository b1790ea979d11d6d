from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from seedless.claims import Account, Operator, Permission, Permissions, ResponsePermission, User
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.server_config import cache, full, memory, nkey_users

OPERATOR = SoftwareKey(Role.OPERATOR, bytes([1] * 32))
KEYS = sorted((SoftwareKey(Role.ACCOUNT, bytes([n] * 32)) for n in (2, 3)), key=lambda k: str(k.public_key))
FIRST, SECOND = (str(key.public_key) for key in KEYS)
USER = PublicKey(Role.USER, SoftwareKey(Role.USER, bytes([4] * 32)).public_key.raw)


def signed(claims: Claims) -> Jwt:
    made = draft(claims, OPERATOR.public_key, 1_700_000_000)
    return made.complete(OPERATOR.sign(made.signing_input))


def operator(name: str = "OP", system: str = "") -> Jwt[Operator]:
    return signed(Claims(sub=str(OPERATOR.public_key), name=name, body=Operator(system_account=system)))


def account(key: str, name: str) -> Jwt[Account]:
    return signed(Claims(sub=key, name=name, body=Account.new()))


def accepted(folder: Path, text: str) -> None:
    """Let the real server read *text*; it says what is wrong on stderr."""
    file = folder / "server.conf"
    file.write_text(text)
    server = Path(sysconfig.get_path("scripts")) / "nats-server"
    done = subprocess.run([server, "-t", "-c", file], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("configuration file")) == (0, 1), done.stderr


def test_a_memory_resolver_is_written_as_nsc_writes_it(tmp_path: Path) -> None:
    root, one, two = operator(), account(FIRST, "A"), account(SECOND, "B")
    text = memory(root, [two, one], SECOND)
    assert text == (
        f'// Operator "OP"\noperator: {root.text}\n'
        "\n"
        f"system_account: {SECOND}\n"
        "\n"
        "resolver: MEMORY\n"
        "\n"
        "resolver_preload: {\n"
        f'  // Account "A"\n  {FIRST}: {one.text}\n'
        "\n"
        f'  // Account "B"\n  {SECOND}: {two.text}\n'
        "\n"
        "}\n"
    )
    accepted(tmp_path, text)


def test_without_a_system_account_the_line_is_absent(tmp_path: Path) -> None:
    text = memory(operator(), [account(FIRST, "A")], None)
    assert "system_account" not in text
    accepted(tmp_path, text)


def test_a_full_resolver_preloads_the_system_account_only(tmp_path: Path) -> None:
    root, one, two = operator(system=SECOND), account(FIRST, "A"), account(SECOND, "SYS")
    text = full(root, [one, two])
    assert f"operator: {root.text}\n" in text
    assert f"system_account: {SECOND}\n" in text
    assert "    type: full\n" in text
    assert "    dir: './jwt'\n" in text
    assert "    allow_delete: false\n" in text
    assert '    interval: "2m"\n' in text
    assert '    timeout: "1.9s"\n' in text
    assert f"resolver_preload: {{\n    {SECOND}: {two.text}\n}}\n" in text
    assert one.text not in text
    accepted(tmp_path, text)


def test_a_cache_resolver_keeps_accounts_for_a_while(tmp_path: Path) -> None:
    root, one, two = operator(), account(FIRST, "A"), account(SECOND, "SYS")
    text = cache(root, [one, two], ttl="30m", system_account=SECOND)
    assert "    type: cache\n" in text
    assert '    ttl: "30m"\n' in text
    assert f"resolver_preload: {{\n    {SECOND}: {two.text}\n}}\n" in text
    assert one.text not in text
    accepted(tmp_path, text)
    with pytest.raises(UsageError, match='the ttl "soon" is not a duration'):
        cache(root, [two], ttl="soon", system_account=SECOND)


def test_the_settings_of_a_full_resolver_can_be_given(tmp_path: Path) -> None:
    text = full(
        operator(system=FIRST),
        [account(FIRST, "SYS")],
        folder='./it\'s "here"',
        allow_delete=True,
        interval="1m30s",
        timeout="500ms",
    )
    assert '    dir: "./it\'s \\"here\\""\n' in text
    assert "    allow_delete: true\n" in text
    assert '    interval: "1m30s"\n' in text
    accepted(tmp_path, text)
    assert (tmp_path / 'it\'s "here"').is_dir()


@pytest.mark.parametrize(
    "name", ["a\nb", "\n}\nport: 1\n", "a\rb", 'say "hi"', "a\u2028b", "\x1b[31m", "Zoë"]
)
def test_no_name_ends_the_comment_that_it_stands_in(tmp_path: Path, name: str) -> None:
    plain = [memory(operator(), [account(FIRST, "A")]), full(operator(system=FIRST), [account(FIRST, "A")])]
    texts = [
        memory(operator(name), [account(FIRST, name)]),
        full(operator(name, FIRST), [account(FIRST, name)]),
    ]
    for text, ordinary in zip(texts, plain, strict=True):
        assert len(text.splitlines()) == len(ordinary.splitlines())
        assert not any(c for c in text if not c.isprintable() and c != "\n")
        accepted(tmp_path, text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"interval": "soon"}, "is not a duration", id="interval"),
        pytest.param({"interval": '2m"\nport: 1'}, "is not a duration", id="interval with a line"),
        pytest.param({"timeout": ""}, "is not a duration", id="timeout"),
        pytest.param({"folder": ""}, "cannot be in a configuration", id="empty folder"),
        pytest.param({"folder": "a\nb"}, "cannot be in a configuration", id="folder with a line"),
    ],
)
def test_a_setting_that_cannot_be_written_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        full(operator(system=FIRST), [account(FIRST, "SYS")], **change)


def test_accounts_and_system_account_must_be_what_they_claim() -> None:
    user = SoftwareKey(Role.ACCOUNT, bytes([5] * 32))
    made = draft(Claims(sub=str(USER), body=User.new()), user.public_key, 1)
    other = made.complete(user.sign(made.signing_input))
    for reason, accounts, system in [
        ("occurs twice", [account(FIRST, "A"), account(FIRST, "B")], None),
        ("is not among the accounts", [account(FIRST, "A")], SECOND),
        ("user claims are not those of an account", [other], None),
    ]:
        with pytest.raises(UsageError, match=reason):
            memory(operator(), accounts, system)
    with pytest.raises(UsageError, match="need the operator's system account"):
        full(operator(), [account(FIRST, "A")])
    with pytest.raises(UsageError, match="account claims are not those of an operator"):
        memory(account(FIRST, "A"), [])


def test_bare_nkey_users_are_written(tmp_path: Path) -> None:
    text = nkey_users([USER])
    assert text == f"authorization {{\n  users: [\n    {{ nkey: {USER} }}\n  ]\n}}\n"
    accepted(tmp_path, text)


def test_permissions_of_an_nkey_user_are_written(tmp_path: Path) -> None:
    granted = Permissions(
        pub=Permission(allow=('a."b".>', "c")),
        sub=Permission(deny=("x\\y",)),
        resp=ResponsePermission(max=2, ttl=1_000_000_000),
    )
    text = nkey_users([USER], {USER: granted})
    assert text == (
        "authorization {\n  users: [\n"
        f"    {{ nkey: {USER}, permissions: {{ "
        r'publish: { allow: ["a.\"b\".>", "c"] }, subscribe: { deny: ["x\\y"] }, '
        'allow_responses: { max: 2, expires: "1000000000ns" } } }\n'
        "  ]\n}\n"
    )
    accepted(tmp_path, text)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.USER])
def test_only_users_keys_log_in(role: Role) -> None:
    with pytest.raises(UsageError, match="is not a user's key"):
        nkey_users([PublicKey(role, USER.raw)])


def test_nkey_users_are_there_once_each_and_permissions_are_of_one_of_them() -> None:
    other = PublicKey(Role.USER, bytes(32))
    with pytest.raises(UsageError, match="occurs once"):
        nkey_users([USER, USER])
    with pytest.raises(UsageError, match="occurs once"):
        nkey_users([])
    with pytest.raises(UsageError, match="who is not among the users"):
        nkey_users([USER], {other: Permissions()})
    with pytest.raises(UsageError, match="cannot be in a configuration"):
        nkey_users([USER], {USER: Permissions(pub=Permission(allow=("a\nb",)))})
