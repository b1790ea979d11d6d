"""How often a token is asked to find and to create keys, counted in the driver at two sizes."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from seedless.errors import NoKey
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.signing import FEW_SEARCHES
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any
    Misbehaving = Any
    Open = Callable[..., Any]

ASKED = (
    "C_GetSlotList",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_OpenSession",
    "C_Login",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_GetAttributeValue",
    "C_GenerateKeyPair",
    "C_SignInit",
    "C_Sign",
)


def asked(crooked: Misbehaving) -> dict[str, int]:
    return {name: crooked.calls(name) for name in ASKED}


def software(number: int) -> SoftwareKey:
    return SoftwareKey(Role.ACCOUNT, number.to_bytes(32, "big"))


@pytest.fixture
def filled(misbehaving: Misbehaving) -> Callable[[int], None]:
    """Put keys on the token until it has so many."""
    there: list[int] = []

    def fill(count: int) -> None:
        for number in range(len(there), count):
            there.append(number)
            misbehaving.straight.import_ed25519(
                number.to_bytes(32, "big"), label=f"account:n{number}", id=number.to_bytes(8, "big")
            )

    return fill


@pytest.mark.parametrize("with_id", [True, False])
def test_one_key_among_forty_is_found_with_as_many_calls_as_among_four(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None], *, with_id: bool
) -> None:
    key_id = (1).to_bytes(8, "big") if with_id else None
    counts = []
    for size in (4, 40):
        filled(size)
        with opened(misbehaving.made) as token:
            misbehaving.forget()
            assert token.find(software(1).public_key.raw, key_id).label == "account:n1"
            counts.append(asked(misbehaving))
    assert counts[0] == counts[1]
    assert counts[1]["C_FindObjectsInit"] == 2


def test_an_id_that_is_not_that_of_the_key_is_not_believed(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None]
) -> None:
    filled(3)
    with opened(misbehaving.made) as token:
        assert token.find(software(1).public_key.raw, (2).to_bytes(8, "big")).label == "account:n1"
        with pytest.raises(NoKey, match="no key on"):
            token.find(software(9).public_key.raw, (2).to_bytes(8, "big"))


def test_a_second_key_with_the_same_public_key_is_refused_although_the_id_is_known(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None]
) -> None:
    filled(3)
    misbehaving.straight.import_ed25519((1).to_bytes(32, "big"), label="account:twin", id=b"\x99")
    with opened(misbehaving.made) as token, pytest.raises(NoKey, match="2 keys on"):
        token.find(software(1).public_key.raw, (1).to_bytes(8, "big"))


@pytest.mark.parametrize("wants", [("set point raw",), ("set no_public",), ("set single_attributes",)])
def test_a_key_is_found_where_the_token_does_not_search_by_its_point(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None], wants: tuple[str, ...]
) -> None:
    filled(3)
    misbehaving.wants(*wants)
    with opened(misbehaving.made) as token:
        signer = token.signer(software(1).public_key, key_id=(1).to_bytes(8, "big"))
        assert signer.sign(b"x") == software(1).sign(b"x")


def test_for_many_keys_all_are_listed_once(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None]
) -> None:
    filled(40)
    searches = []
    for wanted in (20, 40):
        with opened(misbehaving.made) as token:
            misbehaving.forget()
            for number in range(wanted):
                token.signer(software(number).public_key, key_id=number.to_bytes(8, "big"))
            searches.append(misbehaving.calls("C_FindObjectsInit"))
    assert searches == [2 * FEW_SEARCHES + 2] * 2


def test_what_was_listed_is_forgotten_when_a_key_is_deleted_or_imported(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None]
) -> None:
    filled(FEW_SEARCHES + 2)
    with opened(misbehaving.made, writable=True) as token:
        for number in range(FEW_SEARCHES + 2):
            token.find(software(number).public_key.raw)
        token.destroy(token.find(software(0).public_key.raw))
        with pytest.raises(NoKey, match="no key on"):
            token.find(software(0).public_key.raw)
        token.import_key(software(99), "account:later")
        assert token.find(software(99).public_key.raw).label == "account:later"
        misbehaving.straight.import_ed25519((98).to_bytes(32, "big"), label="account:other", id=b"\x98")
        assert token.find(software(98).public_key.raw).label == "account:other"


def test_a_key_is_created_among_forty_with_as_many_calls_as_among_four(
    misbehaving: Misbehaving, opened: Open, filled: Callable[[int], None]
) -> None:
    counts = []
    for size in (4, 40):
        filled(size)
        with opened(misbehaving.made, writable=True) as token:
            misbehaving.forget()
            token.generate(f"account:new{size}")
            counts.append(asked(misbehaving))
    assert counts[0] == counts[1]
    assert counts[1]["C_FindObjectsInit"] == 0


@pytest.fixture
def counted(cli: Cli, misbehaving: Misbehaving) -> Callable[..., dict[str, int]]:
    """Run a command of the operator ACME on the misbehaving token, and count."""
    env = {name: os.environ[name] for name in ("MISBEHAVE", "MISBEHAVE_MODULE")}
    env |= {"SEEDLESS_MODULE": str(misbehaving.made.module)}
    cli.ok("operator", "add", "ACME", "--yes")
    cli.ok("account", "add", "ORDERS", "--yes")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")

    def run(*words: str) -> dict[str, int]:
        misbehaving.forget()
        done = cli.child(*words, "--yes", **env)
        assert done.code == 0, done
        return asked(misbehaving)

    return run


def test_apply_asks_for_each_new_account_the_same_few_things(
    cli: Cli, counted: Callable[..., dict[str, int]]
) -> None:
    counts = []
    for size in (10, 20, 30):  # more than are searched for one by one
        lines = [f"[accounts.A{size}x{n}]\n[accounts.A{size}x{n}.users.u]\n" for n in range(size)]
        (cli.home / "tenants.toml").write_text("".join(lines))
        counts.append(counted("apply", "tenants.toml"))
    for_ten = [{name: b[name] - a[name] for name in ASKED} for a, b in pairwise(counts)]
    assert for_ten[0] == for_ten[1]
    assert {name: number / 10 for name, number in for_ten[0].items() if number} == {
        "C_GetAttributeValue": 8,
        "C_GenerateKeyPair": 1,
        "C_SignInit": 3,
        "C_Sign": 3,
    }


def test_a_worker_lists_the_keys_of_the_token_once_however_many_of_them_sign(
    cli: Cli, counted: Callable[..., dict[str, int]]
) -> None:
    on_token, others, searches = 2, [], []
    for size in (10, 20, 30):
        lines = [f"[accounts.A{size}x{n}]\n[accounts.A{size}x{n}.users.u]\n" for n in range(size)]
        (cli.home / "tenants.toml").write_text("".join(lines))
        counts = counted("apply", "tenants.toml", "--jobs", "1")
        on_token += size
        others.append(counts["C_GetAttributeValue"] - 8 * size - 8 * on_token)  # created, and listed
        searches.append(counts["C_FindObjects"])
    assert others == [others[0]] * 3
    assert searches == [searches[0]] * 3


@pytest.mark.parametrize(
    "words",
    [
        ("sign", "store/stores/ACME/accounts/ORDERS/ORDERS.jwt"),
        ("user", "add", "-a", "ORDERS", "{}", "--on-token"),
        ("account", "add", "{}"),
    ],
)
def test_a_command_asks_a_token_with_thirty_keys_for_no_more_than_one_with_three(
    cli: Cli, counted: Callable[..., dict[str, int]], words: tuple[str, ...]
) -> None:
    few = counted(*(word.format("few") for word in words))
    lines = "".join(f"[accounts.A{n}]\n" for n in range(30))
    (cli.home / "tenants.toml").write_text(lines)
    counted("apply", "tenants.toml")
    assert counted(*(word.format("many") for word in words)) == few
    key = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    assert PublicKey.parse(key).role is Role.ACCOUNT
