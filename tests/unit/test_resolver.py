"""What servers answer, as it is read; accounts that were deleted; configurations as they are edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Account, Generic, Operator
from seedless.errors import ServerError, StoreError, UsageError
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.resolver import AccountServer, MemoryTarget, ServerAnswer, listed, protocol
from seedless.resolver import delete as deleted
from seedless.resolver.push import PullStatus, judge_pulled
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_800_000_000


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, STRANGER = key(Role.OPERATOR, 1), key(Role.OPERATOR, 2)
SYSTEM, ORDERS, PAYROLL = (key(Role.ACCOUNT, number) for number in (1, 2, 3))


def text(of: SoftwareKey) -> str:
    return str(of.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, body: Any, name: str, at: int = NOW) -> Jwt[Any]:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=text(about), name=name, body=body), by.public_key, at)
    return made.complete(by.sign(made.signing_input))


ROOT = sign(OPERATOR, OPERATOR, Operator(system_account=text(SYSTEM)), "ACME")
SYS = sign(OPERATOR, SYSTEM, Account.new(), "SYS")
ONE = sign(OPERATOR, ORDERS, Account.new(), "ORDERS")
TWO = sign(OPERATOR, PAYROLL, Account.new(), "PAYROLL")

N0 = {"name": "n0", "id": "NAAA", "host": "h", "cluster": "c", "ver": "2.15.1"}
READERS: dict[str, Callable[[list[bytes]], object]] = {
    "ping": protocol.ping_answers,
    "varz": protocol.server_reports,
    "list": protocol.listings,
    "update": lambda answers: protocol.answers_to(protocol.UPDATE, answers),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "answer",
    [b"", b"x", b"[]", b"null", b'{"server":1}', b'{"data":[]}', b'{"server":{"name":1}}', b"\xff\xfe"],
    ids=["empty", "no json", "list", "null", "server is a number", "no server", "no id", "not utf-8"],
)
def test_an_answer_that_cannot_be_understood_is_a_sentence(reader: str, answer: bytes) -> None:
    with pytest.raises(ServerError, match=r"an answer to \$SYS\.REQ\S+ cannot be understood"):
        READERS[reader]([answer])


def test_who_is_there_is_read_once_for_each_server_with_how_many_it_counts() -> None:
    statsz = {"active_servers": 3, "routes": [{"name": "n1"}, {"name": "n1"}, {"rid": 7}]}
    answer = json.dumps({"server": N0, "statsz": statsz}).encode()
    (found,) = protocol.ping_answers([answer, answer])
    assert (found.server, found.active, found.routes) == (AccountServer("NAAA", "n0"), 3, {"n1"})


def test_whom_a_server_trusts_is_read_and_what_is_no_operator_is_left_out() -> None:
    data = {
        "trusted_operators_jwt": [ROOT.text, "eyJ", SYS.text],
        "system_account": text(SYSTEM),
        "max_payload": 4096,
    }
    (found,) = protocol.server_reports([json.dumps({"server": N0, "data": data}).encode()])
    assert [one.claims.name for one in found.operators] == ["ACME"]
    assert (found.system_account, found.max_payload) == (text(SYSTEM), 4096)


def test_the_words_of_a_server_cannot_deceive_and_are_cut() -> None:
    words = "evil \u202e\x1b[2K" + "x" * 1000
    answer = json.dumps({"server": N0, "error": {"code": 500, "description": words}}).encode()
    (found,) = protocol.answers_to(protocol.UPDATE, [answer])
    assert not found.ok
    assert "\x1b" not in found.text
    assert "\u202e" not in found.text
    assert len(found.text) < 400


def test_servers_of_one_name_are_distinguished_by_their_ids() -> None:
    servers = [
        AccountServer("NBBBBBBBBBB", "n0"),
        AccountServer("NAAAAAAAAAA", "n0"),
        AccountServer("NCCC", "n1"),
        AccountServer("NDDD", ""),
    ]
    assert listed(servers) == "NDDD, n0 (NAAAAAAA…), n0 (NBBBBBBB…), n1"


def test_the_question_whether_accounts_are_deleted_deletes_none() -> None:
    found = read(protocol.MAY_WE_DELETE)
    assert isinstance(found.claims.body, Generic)
    assert found.claims.body.data == {"version": 2}
    assert found.claims.sub != str(found.issuer)
    assert found.issuer.role is Role.USER


@pytest.mark.parametrize(
    ("words", "deletes"),
    [
        ("delete accounts request by x failed - not self signed", True),
        ("delete accounts request by x failed - delete must be enabled in server config", False),
    ],
    ids=["another reason", "not enabled"],
)
def test_the_reason_of_a_refusal_states_whether_a_server_deletes(words: str, deletes: bool) -> None:  # noqa: FBT001 - a case
    assert protocol.may_delete(ServerAnswer(AccountServer("N", "n"), ok=False, text=words)) is deletes


def test_what_was_deleted_is_noted_until_it_lives_again(tmp_path: Path) -> None:
    path = tmp_path / "resolver/ACME.json"
    assert deleted.load(path) == {}
    deleted.note(
        path, {"A1": deleted.DeletedAccount("ORDERS", 5), "A2": deleted.DeletedAccount("PAYROLL", 6)}
    )
    deleted.note(path, {"A3": deleted.DeletedAccount("SALES", 7)}, alive=["A1"])
    assert deleted.load(path) == {
        "A2": deleted.DeletedAccount("PAYROLL", 6),
        "A3": deleted.DeletedAccount("SALES", 7),
    }
    path.write_text("{")
    with pytest.raises(StoreError, match=r"ACME\.json is damaged"):
        deleted.load(path)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "nats.conf"
    path.write_text(memory(ROOT, [SYS, ONE], text(SYSTEM)))
    return path


def opened(path: Path) -> MemoryTarget:
    return MemoryTarget(path, {}, NOW)


def test_an_entry_is_replaced_in_its_place_and_a_new_one_comes_first(configuration: Path) -> None:
    newer = sign(OPERATOR, ORDERS, Account.new(), "ORDERS", NOW + 1)
    before = configuration.read_text()
    opened(configuration).update([newer])
    assert configuration.read_text() == before.replace(ONE.text, newer.text)
    opened(configuration).update([TWO])
    entry = f'resolver_preload: {{\n  // Account "PAYROLL"\n  {text(PAYROLL)}: {TWO.text}\n'
    assert entry in configuration.read_text()
    opened(configuration).delete([text(PAYROLL)], "")
    assert configuration.read_text() == before.replace(ONE.text, newer.text)


def test_the_last_entry_goes_and_another_comes(configuration: Path) -> None:
    opened(configuration).delete([text(ORDERS), text(SYSTEM)], "")
    assert list(opened(configuration).holdings.values()) == [frozenset()]
    opened(configuration).update([ONE])
    assert opened(configuration).held([text(ORDERS), text(PAYROLL)]) == {
        text(ORDERS): (ONE.text,),
        text(PAYROLL): ("",),
    }
    assert configuration.read_text().count("resolver_preload") == 1


@pytest.mark.parametrize(
    "preload",
    [
        "resolver_preload = {{ {key} = '{jwt}' }}",
        'resolver_preload {{ "{key}": "{jwt}", # mine\n }}',
        "resolver_preload: {{\n  // Account gone {key}: eyJ\n  {key} {jwt};\n}}",
    ],
    ids=["single quotes", "double quotes and a comma", "a comment with another"],
)
def test_an_entry_is_found_however_it_is_written(tmp_path: Path, preload: str) -> None:
    path = tmp_path / "nats.conf"
    newer = sign(OPERATOR, ORDERS, Account.new(), "ORDERS", NOW + 1)
    written = preload.format(key=text(ORDERS), jwt=ONE.text)
    path.write_text(f"operator: {ROOT.text}\nresolver: MEM\n{written}\nport: 1\n")
    before = path.read_text()
    target = opened(path)
    target.update([newer])
    assert path.read_text() == before.replace(ONE.text, newer.text)
    target.delete([text(ORDERS)], "")
    assert list(opened(path).holdings.values()) == [frozenset()]
    assert path.read_text().endswith("port: 1\n")


def test_an_entry_that_is_in_another_file_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "accounts.conf").write_text(f"{text(ORDERS)}: {ONE.text}\n")
    path = tmp_path / "nats.conf"
    path.write_text(
        f"operator: {ROOT.text}\nresolver: MEMORY\nresolver_preload: {{\n include accounts.conf\n}}\n"
    )
    with pytest.raises(StoreError, match=r"accounts\.conf:1:1: this account is not written as KEY: jwt in"):
        opened(path)


def test_a_configuration_with_a_full_resolver_is_no_target(tmp_path: Path) -> None:
    path = tmp_path / "nats.conf"
    path.write_text(f"operator: {ROOT.text}\nresolver: {{ type: full, dir: jwt }}\n")
    with pytest.raises(UsageError, match="are not inside it"):
        opened(path)


def test_of_what_servers_hold_the_latest_is_pulled() -> None:
    older = sign(OPERATOR, ORDERS, Account.new(), "ORDERS", NOW - 9)
    (found,) = judge_pulled(
        {text(ORDERS): ["", older.text, "eyJ", ONE.text]}, ROOT, {"ORDERS": older}, now=NOW
    )
    assert (found.status, found.jwt) == (PullStatus.NEWER, ONE)


@pytest.mark.parametrize(
    ("mine", "theirs", "overwrite_newer", "status"),
    [
        (NOW - 9, NOW + 59, False, PullStatus.NEWER),
        (NOW - 9, NOW + 60, False, PullStatus.AHEAD),
        (NOW - 9, NOW + 3600, True, PullStatus.OVERWRITES),
        (NOW + 3600, NOW + 3601, False, PullStatus.NEWER),
        (NOW + 3600, NOW - 9, False, PullStatus.OLDER),
    ],
)
def test_a_jwt_from_the_future_takes_no_place_of_one_whose_time_has_come(
    mine: int,
    theirs: int,
    overwrite_newer: bool,  # noqa: FBT001 - a case
    status: PullStatus,
) -> None:
    stored, served = (sign(OPERATOR, ORDERS, Account.new(), "ORDERS", at) for at in (mine, theirs))
    (found,) = judge_pulled(
        {text(ORDERS): [served.text]}, ROOT, {"ORDERS": stored}, now=NOW, overwrite_newer=overwrite_newer
    )
    assert found.status is status
    assert found.is_written is (status in {PullStatus.NEWER, PullStatus.OVERWRITES})


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({text(ORDERS): [""]}, "no server has a jwt of it that can be read"),
        ({text(ORDERS): [TWO.text]}, f"its jwt is about {text(PAYROLL)}"),
        (
            {text(ORDERS): [sign(STRANGER, ORDERS, Account.new(), "ORDERS").text]},
            f"is issued by {text(STRANGER)}, with which ACME signs no accounts",
        ),
        (
            {text(ORDERS): [sign(OPERATOR, ORDERS, Account.new(), "/" * 84).text]},
            f'the name "{"/" * 64}"… is longer than 249 bytes as the name of a file',
        ),
        (
            {text(ORDERS): [sign(OPERATOR, ORDERS, Account.new(), "SYS").text]},
            f"SYS is also the name of {text(SYSTEM)}",
        ),
    ],
    ids=["nothing", "of another", "by a stranger", "a name that no file can have", "a name that is taken"],
)
def test_what_may_not_go_into_the_store_is_refused(held: dict[str, list[str]], reason: str) -> None:
    (found,) = judge_pulled(held, ROOT, {"SYS": SYS}, now=NOW)
    assert (found.status, found.reason, found.is_written) == (PullStatus.REFUSED, reason, False)


def test_two_accounts_of_one_name_do_not_both_go_into_the_store() -> None:
    twin = sign(OPERATOR, PAYROLL, Account.new(), "ORDERS")
    found = judge_pulled({text(ORDERS): [ONE.text], text(PAYROLL): [twin.text]}, ROOT, {}, now=NOW)
    assert sorted(str(one.status) for one in found) == ["new", "refused"]
