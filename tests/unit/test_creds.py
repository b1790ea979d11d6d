from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless import base64url, creds, decorated
from seedless.claims import Account, Generic, Operator, User
from seedless.errors import BadJwt, BadKey, SeedlessError, UsageError
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

# The official library's own expression, which we do not run on text from elsewhere.
OFFICIAL = re.compile(
    r"\s*(?:(?:[-]{3,}.*[-]{3,}\r?\n)([\w\-.=]+)(?:\r?\n[-]{3,}.*[-]{3,}(\r?\n|\Z)))", re.ASCII
)
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
USER = SoftwareKey(Role.USER, bytes(range(32, 64)))
SEED = "SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3HQ6T4PY7UE"


def signed(claims: Claims, key: SoftwareKey) -> Jwt:
    made = draft(claims, key.public_key, 1_700_000_000)
    return made.complete(key.sign(made.signing_input))


def user_jwt(key: SoftwareKey = USER) -> Jwt[User]:
    return signed(Claims(sub=str(key.public_key), name="ann", body=User.new()), ACCOUNT)


def test_a_creds_file_is_written_as_the_official_library_writes_it() -> None:
    jwt = user_jwt()
    assert creds.format_creds(jwt, USER) == (
        f"-----BEGIN NATS USER JWT-----\n{jwt.text}\n------END NATS USER JWT------\n"
        "\n"
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n"
        "NKEYs are sensitive and should be treated as secrets.\n"
        "\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        "\n"
        "*************************************************************\n"
    )


def test_a_creds_file_is_read_back_as_it_was_written() -> None:
    read = creds.parse_creds(creds.format_creds(user_jwt(), USER))
    assert read.jwt == user_jwt()
    assert read.key.reveal() == SEED


def test_windows_line_ends_are_read() -> None:
    text = creds.format_creds(user_jwt(), USER).replace("\n", "\r\n")
    assert creds.parse_creds(text).key.reveal() == SEED
    assert creds.parse_key(SEED + "\r\n").reveal() == SEED


def test_a_jwt_that_is_not_a_users_is_no_creds_file() -> None:
    jwt = signed(Claims(sub=str(ACCOUNT.public_key), body=Account.new()), ACCOUNT)
    with pytest.raises(UsageError, match="these are account claims"):
        creds.format_creds(jwt, USER)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.USER])
def test_a_seed_that_is_not_a_users_is_refused(role: Role) -> None:
    key = SoftwareKey(role, bytes(range(32, 64)))
    with pytest.raises(BadKey, match="not a user's") as caught:
        creds.format_creds(user_jwt(), key)
    assert caught.value.reason == "role"


def test_a_seed_of_another_user_is_refused_by_its_public_key() -> None:
    other = SoftwareKey(Role.USER, bytes(32))
    with pytest.raises(SeedlessError) as caught:
        creds.format_creds(user_jwt(), other)
    assert caught.value.message == (f"the seed is of {other.public_key}, which is not the subject of the jwt")


def test_a_pair_that_does_not_belong_together_is_refused_when_read() -> None:
    text = creds.decorate_jwt(user_jwt()) + creds.decorate_seed(SoftwareKey(Role.USER, bytes(32)))
    with pytest.raises(SeedlessError, match="not the subject"):
        creds.parse_creds(text)


def test_a_creds_file_without_its_jwt_is_refused() -> None:
    with pytest.raises(BadJwt):
        creds.parse_creds(creds.decorate_seed(USER))


def test_the_jwt_of_text_without_blocks_is_all_of_it_untrimmed() -> None:
    assert decorated.parse_jwt(" eyJ.eyJ.sig \n") == " eyJ.eyJ.sig \n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "the text holds no seed", id="nothing"),
        pytest.param("-----A-----\neyJ\n-----B-----\n", "the text holds no seed", id="jwt only"),
        pytest.param(f"  {SEED}", "where the seed should be is something else", id="leading blanks"),
        pytest.param(f"\x1c{SEED}", "the text holds no seed", id="not a blank for Go"),
        pytest.param(f"{SEED} ", "a seed has 58 characters, not 59", id="blank at the end"),
        pytest.param(
            SEED[:-1] + "F", "the last character of the key is not spelled the usual way", id="other spelling"
        ),
        pytest.param(SEED[:9] + "Q" + SEED[10:], "the checksum of the key is wrong", id="mistyped"),
    ],
)
def test_text_without_a_readable_seed_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadKey) as caught:
        creds.parse_key(text)
    assert caught.value.message == sentence
    assert SEED[10:40] not in f"{caught.value!r} {caught.value.hint}"


def test_the_second_block_is_the_seed_whatever_the_labels_are() -> None:
    text = f"---x---\neyJ\n---y---\n---z---\n{SEED}\n---0---\n{SoftwareKey(Role.USER, bytes(32)).reveal()}\n"
    assert creds.parse_key(text).reveal() == SEED


@pytest.mark.parametrize(
    ("role", "label"),
    [(Role.OPERATOR, "OPERATOR"), (Role.ACCOUNT, "ACCOUNT"), (Role.USER, "USER")],
    ids=["operator", "account", "user"],
)
def test_an_armoured_seed_names_its_role_and_is_read_back(role: Role, label: str) -> None:
    key = SoftwareKey(role, bytes(range(32)))
    text = creds.decorate_seed(key)
    assert f"-----BEGIN {label} NKEY SEED-----\n{key.reveal()}\n------END {label} NKEY SEED------\n" in text
    assert creds.parse_key(text).reveal() == key.reveal()


@pytest.mark.parametrize("role", [Role.SERVER, Role.CLUSTER, Role.CURVE])
def test_seeds_of_other_roles_have_no_armour(role: Role) -> None:
    with pytest.raises(BadKey, match="has no armour"):
        creds.decorate_seed(SoftwareKey(role, bytes(32)))


def test_an_armoured_jwt_names_its_kind() -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(32))
    jwt = signed(Claims(sub=str(operator.public_key), body=Operator.new()), operator)
    assert creds.decorate_jwt(jwt) == (
        f"-----BEGIN NATS OPERATOR JWT-----\n{jwt.text}\n------END NATS OPERATOR JWT------\n\n"
    )


def test_a_generic_jwt_has_no_armour() -> None:
    jwt = signed(Claims(sub="anything", body=Generic.new()), ACCOUNT)
    with pytest.raises(UsageError, match="generic"):
        creds.decorate_jwt(jwt)


@given(st.lists(st.sampled_from(["---", "-", "----", "a", ".", " ", "\n", "\r\n", "\r", "*"]), max_size=30))
def test_blocks_are_found_where_the_official_expression_finds_them(parts: list[str]) -> None:
    text = "".join(parts)
    assert list(decorated.blocks(text)) == [match.group(1) for match in OFFICIAL.finditer(text)]


def test_a_long_line_of_dashes_takes_no_time() -> None:
    text = "-" * 1_000_000
    assert decorated.parse_jwt(text) == text


def test_a_jwt_with_line_breaks_within_has_no_creds_file() -> None:
    made = signed(Claims(sub=str(USER.public_key), name="u", body=User.new()), ACCOUNT)
    head, payload, _ = made.text.split(".")
    broken = f"{head}.{payload[:9]}\n{payload[9:]}"
    signature = base64url.encode(ACCOUNT.sign(broken.encode()))
    found = read(f"{broken}.{signature}")  # servers read it
    with pytest.raises(UsageError, match="the jwt has line breaks within"):
        creds.format_creds(found, USER)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            "-----BEGIN NATS USER JWT-----\neyJ.eyJ.sig\n\n------END NATS USER JWT------\n",
            "lines of dashes and no block: the jwt must be on one line between them",
            id="an empty line",
        ),
        pytest.param(
            "-----BEGIN USER NKEY SEED-----\nSU" + "A" * 56 + "\n------END USER NKEY SEED------\n",
            "this file holds a seed and no jwt",
            id="a seed alone",
        ),
        pytest.param(
            "-----BEGIN NATS USER JWT-----\neyJ.eyJ.sig\n\n------END NATS USER JWT------\n"
            "-----BEGIN USER NKEY SEED-----\nSU" + "A" * 56 + "\n------END USER NKEY SEED------\n",
            "lines of dashes and no block: the jwt must be on one line between them",
            id="an empty line, and a seed",
        ),
    ],
)
def test_the_fault_of_a_creds_file_is_named(text: str, fault: str) -> None:
    with pytest.raises(BadJwt) as error:
        creds.parse_creds(text)
    assert error.value.message == fault
