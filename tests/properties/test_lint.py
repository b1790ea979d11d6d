"""Whatever a configuration says: it is linted, and findings come out."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

from hypothesis import given
from hypothesis import strategies as st

from seedless.claims import Account, Operator
from seedless.findings import Finding
from seedless.jwt import Claims, draft
from seedless.nats_config.lint import lint_configuration
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

NOW = 1_700_000_000
OPERATOR, ACCOUNT, USER = (SoftwareKey(role, bytes(32)) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))


def signed(about: SoftwareKey, body: object) -> str:
    made = draft(Claims(sub=str(about.public_key), name="x", body=body), OPERATOR.public_key, NOW)
    return made.complete(OPERATOR.sign(made.signing_input)).text


KEYS = st.sampled_from(
    [
        *("authorization", "users", "user", "password", "nkey", "token", "permissions", "publish", "allow"),
        *(
            "allow_responses",
            "accounts",
            "leafnodes",
            "cluster",
            "gateway",
            "websocket",
            "mqtt",
            "tls",
            "dir",
        ),
        *("verify_and_map", "operator", "resolver", "type", "allow_delete", "resolver_preload", "nkey_dir"),
        *("system_account", "trusted_keys", "no_auth_user", "auth_callout", str(ACCOUNT.public_key)),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "x",
            '""',
            "5",
            "-1",
            "1.5",
            "true",
            "FULL",
            "MEMORY",
            "URL(x)",
            "2020-01-02T03:04:05Z",
            "$x",
            "full",
        ),
        *(str(one.public_key) for one in (OPERATOR, ACCOUNT, USER)),
        *(
            USER.reveal(),
            signed(OPERATOR, Operator.new()),
            signed(ACCOUNT, Account.new()),
            "eyJ.x.y",
            "/",
            ".",
        ),
    ]
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner,
        st.lists(inner, max_size=4).map(lambda items: "\n".join(["[", *items, "]"])),
        st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda members: "{\n" + "".join(f"{key}: {value}\n" for key, value in members) + "}"
        ),
    )


VALUES = _nested(_nested(WORDS))
TEXTS = st.lists(st.tuples(KEYS, VALUES), max_size=6).map(
    lambda members: "x: y\n" + "".join(f"{key}: {value}\n" for key, value in members)
)


@given(TEXTS, st.booleans())
def test_every_configuration_is_linted_and_no_seed_printed(text: str, wants_delete: bool) -> None:  # noqa: FBT001 - a case
    with NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        findings = lint_configuration(Path(file.name), {}, NOW, requires_delete=wants_delete)
    assert all(isinstance(finding, Finding) for finding in findings)
    assert not [finding for finding in findings if USER.reveal()[4:] in f"{finding}"]
