"""Promise 13: what servers drop of an account is found, as a real nats-server drops it."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Context, Statement
from seedless.claims import (
    Account,
    Export,
    Import,
    JetStreamLimits,
    Operator,
    Permission,
    User,
    WeightedMapping,
)
from seedless.claims.transforms import unfit
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.nkey import Role
from seedless.rules import judge_statement
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from raw_nats import Connection, Message, running  # noqa: E402 - a script's folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OPERATOR = SoftwareKey(Role.OPERATOR, bytes([1]) * 32)
KEYS = {name: SoftwareKey(Role.ACCOUNT, bytes([number]) * 32) for number, name in enumerate("ABCS", 10)}
NAMES = {name: str(key.public_key) for name, key in KEYS.items()}
MAPPINGS = 400


def signed(by: SoftwareKey, claims: Claims[Any]) -> Jwt[Any]:
    made: Draft[Any] = draft(claims, by.public_key, int(time.time()) - 10)
    return made.complete(by.sign(made.signing_input))


def operator(system_account: str = "") -> Jwt[Operator]:
    body = Operator(system_account=system_account)
    return signed(OPERATOR, Claims(sub=str(OPERATOR.public_key), name="O", body=body))


def account(name: str, key: SoftwareKey | None = None, **changes: Any) -> Jwt[Account]:  # noqa: ANN401 - members
    limits = changes.pop("limits", {})
    body = msgspec.structs.replace(Account.new(), **changes)
    body = msgspec.structs.replace(body, limits=msgspec.structs.replace(body.limits, **limits))
    key = key or KEYS[name]
    return signed(OPERATOR, Claims(sub=str(key.public_key), name=name, body=body))


def login(port: int, key: SoftwareKey, **changes: Any) -> Connection:  # noqa: ANN401 - members
    user = SoftwareKey.generate(Role.USER)
    body = msgspec.structs.replace(User.new(), **changes)
    return Connection(port, user, signed(key, Claims(sub=str(user.public_key), name="u", body=body)))


def codes(jwt: Jwt[Any], *around: Jwt[Any]) -> set[str]:
    claims = {one.claims.sub: one.claims for one in (*around, jwt)}
    issuer = next((one.claims for one in around if isinstance(one.claims.body, Operator)), None)
    context = Context(int(time.time()), operator=issuer, claims=claims)
    return {finding.code for finding in judge_statement(Statement.of(jwt), context)}


def exports(kind: Any, subject: str, **more: Any) -> tuple[Export, ...]:  # noqa: ANN401 - members
    return (Export(subject=subject, type=kind, **more),)


def imports(account: str, kind: Any, subject: str, local: str = "") -> tuple[Import, ...]:  # noqa: ANN401
    return (Import(subject=subject, account=NAMES[account], type=kind, local_subject=local),)


def run(
    folder: Path, accounts: Sequence[Jwt[Account]], use: Callable[[Mapping[str, Connection]], Any]
) -> str:
    """Let *use* have a connection to each of *accounts*, and return the log."""
    with (
        running(folder, "debug: true\n" + memory(operator(), accounts)) as port,
        ExitStack() as open_ones,
    ):
        connections = {one.claims.name: login(port, KEYS[one.claims.name]) for one in accounts}
        for connection in connections.values():
            open_ones.callback(connection.close)
        use(connections)
    return (folder / "log").read_text(encoding="utf-8")


class Mappings:
    """Mappings by chance: sources and targets of which servers drop about half."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def mapping(self) -> tuple[str, tuple[WeightedMapping, ...]]:
        source = self._tokens(lambda: self._some(("a", "b", "*", "*", "*", "$1")))
        target = self._tokens(self._token)
        if self._by_chance(0.2):
            source += ".>"
            target += ".>" * self._by_chance(0.8)
        if self._by_chance(0.05):
            source = ">"
        targets = [target, self._some((target, "b", "c"))] if self._by_chance(0.1) else [target]
        weight = self._some((10, 50, 100)) if len(targets) == 1 else 50
        cluster = self._some(("", "", "east"))
        return source, tuple(WeightedMapping(subject=one, weight=weight, cluster=cluster) for one in targets)

    def _token(self) -> str:
        literals = ("a", "b", "$x", "$", "a*", ">b", "{{}}", "*", ">")
        kinds = (lambda: self._some(literals), lambda: f"${self._number()}", self._call, self._call)
        return self._some(kinds)()

    def _call(self) -> str:
        names = ("wildcard", "Wildcard", "partition", "Partition", "random", "split", "splitFromLeft", "left")
        name = self._some(
            (*names, *("Right", "SliceFromRight", "splitfromright", "sliceFromLeft", "LEFT", "nofn", ""))
        )
        arguments = ",".join(self._number() for _ in range(self._some((0, 1, 1, 2, 2, 2, 3))))
        tab = "\t" if self._by_chance(0.05) else ""
        head, tail = (
            self._some(("{{", "{{", "{{", "{", "x{{")),
            self._some(("}}", "}}", "}}", "}", "}}x", ")}}")),
        )
        return f"{head}{tab}{name}{tab}({arguments}){tail}"

    def _number(self) -> str:
        edges = ("2147483647", "2147483648", "-2147483649", "9223372036854775808")
        return self._some(("1", "1", "1", "2", "3", "0", "-1", "+1", "01", "x", "", "-", *edges))

    def _tokens(self, token: Callable[[], str]) -> str:
        return ".".join(token() for _ in range(self._some((1, 1, 2, 3))))

    def _some(self, values: Sequence[Any]) -> Any:  # noqa: ANN401 - of any kind
        return self._random.choice(values)

    def _by_chance(self, share: float) -> bool:
        return self._random.random() < share


def test_servers_drop_the_mappings_that_we_report(tmp_path: Path) -> None:
    mappings = Mappings(Random(13))  # noqa: S311 - chance that can be repeated
    cases = [mappings.mapping() for _ in range(MAPPINGS)]
    keys = [SoftwareKey.generate(Role.ACCOUNT) for _ in cases]
    accounts = [
        account("M", key, mappings={source: targets})
        for key, (source, targets) in zip(keys, cases, strict=True)
    ]
    with running(tmp_path, memory(operator(), accounts)) as port:
        connections = [login(port, key) for key in keys]
        refused = [connection.refused for connection in connections]
        for connection in connections:
            connection.close()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    dropped = {
        line.partition(" for account [")[2][:56] for line in lines if "Error adding subject mapping" in line
    }
    ours = [unfit(source, targets) is not None for source, targets in cases]
    theirs = [str(key.public_key) in dropped for key in keys]
    assert not any(refused)
    assert [case for case, our, their in zip(cases, ours, theirs, strict=True) if our != their] == []
    assert MAPPINGS // 4 < sum(theirs) < MAPPINGS * 3 // 4


def test_what_shares_leave_over_is_lost_where_the_source_is_a_target(tmp_path: Path) -> None:
    shares = {
        "kept": (WeightedMapping(subject="b", weight=30),),
        "lost": (WeightedMapping(subject="b", weight=30), WeightedMapping(subject="lost", weight=30)),
        "w.*": (WeightedMapping(subject="b", weight=30), WeightedMapping(subject="w.$1", weight=30)),
    }
    counts = {}

    def publish(connections: Mapping[str, Connection]) -> None:
        connections["A"].send(["SUB > 1"])
        for subject in ("kept", "lost", "w.x"):
            connections["A"].send([f"PUB {subject} 1\r\nx"] * 200)
            connections["A"].send([])
            counts[subject] = len(connections["A"].take_messages())

    run(tmp_path, [account("A", mappings=shares)], publish)
    assert counts["kept"] == counts["w.x"] == 200
    assert 60 < counts["lost"] < 180


@pytest.mark.parametrize(
    ("accounts", "code", "line"),
    [
        pytest.param(
            [
                account("A", exports=exports("stream", "o.>"), imports=imports("B", "stream", "o.>")),
                account("B", exports=exports("stream", "o.>"), imports=imports("A", "stream", "o.>")),
            ],
            "T017",
            "stream import to account [{A}/A]: import forms a cycle",
            id="T017 streams",
        ),
        pytest.param(
            [
                account(
                    "A", exports=exports("service", "o.>"), imports=imports("B", "service", "p.>", "o.>")
                ),
                account(
                    "B", exports=exports("service", "p.>"), imports=imports("A", "service", "o.>", "p.>")
                ),
            ],
            "T017",
            "service import to account [{A}/A]: import forms a cycle",
            id="T017 services",
        ),
        pytest.param(
            [
                account("A", exports=exports("service", "o.>"), imports=imports("B", "service", "o.>")),
                account("B", exports=exports("service", "o.>"), imports=imports("C", "service", "o.>")),
                account("C", exports=exports("service", "o.>"), imports=imports("A", "service", "o.>")),
            ],
            "T017",
            "service import to account [{A}/A]: import forms a cycle",
            id="T017 three",
        ),
        pytest.param(
            [
                account("A", exports=exports("stream", "o.>"), imports=imports("B", "stream", "p.>")),
                account("B", exports=exports("stream", "p.>"), imports=imports("A", "stream", "o.>")),
            ],
            "",
            "",
            id="T017 both ways",
        ),
        *(
            pytest.param(
                [
                    account("A", imports=imports("B", kind, subject.format(**NAMES))),
                    account("B", exports=exports(kind, "s.*.x", account_token_position=2)),
                ],
                code,
                f"{kind} import to account [{{A}}/A]: {kind} import not authorized" if code else "",
                id=f"T018 {kind} {subject}",
            )
            for kind in ("stream", "service")
            for subject, code in (("s.{A}.x", ""), ("s.{B}.x", "T018"), ("s.*.x", "T018"))
        ),
        pytest.param(
            [
                account("A", imports=imports("B", "stream", "o.>.x")),
                account("B", exports=exports("stream", "o.>")),
            ],
            "C118",
            "stream import to account [{A}/A]: stream import not authorized",
            id="C118 an import",
        ),
    ],
)
def test_servers_drop_the_imports_that_we_name(
    tmp_path: Path, accounts: list[Jwt[Account]], code: str, line: str
) -> None:
    log = run(tmp_path, accounts, lambda _: None)
    assert (line.format(**NAMES) in log) if line else ("Error adding" not in log)
    found = codes(*accounts) & {"T017", "T018", "C118"}
    assert found == ({code} if code else set())


def test_what_an_account_imports_from_itself_comes_twice(tmp_path: Path) -> None:
    own = account("A", exports=exports("stream", "o.>"), imports=imports("A", "stream", "o.>"))
    got: list[Message] = []

    def publish(connections: Mapping[str, Connection]) -> None:
        connections["A"].send(["SUB > 1"])
        connections["A"].send(["PUB o.x 1\r\nx"])
        connections["A"].send([])
        got.extend(connections["A"].take_messages())

    run(tmp_path, [own], publish)
    assert got == [Message("o.x", b"x")] * 2
    assert "C123" in codes(own)


def test_a_denied_subject_whose_rest_is_not_last_is_open(tmp_path: Path) -> None:
    deny = Permission(deny=("orders.>.x",))
    with running(tmp_path, memory(operator(), [account("A")])) as port:
        user = login(port, KEYS["A"], pub=deny, sub=deny)
        user.send(["SUB orders.> 1", "PUB orders.a.x 1\r\nx"])
        assert user.take_messages() == [Message("orders.a.x", b"x")]
        user.close()
    assert "invalid publish deny subject" in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        pytest.param({"disk_storage": -1, "streams": 5}, "C119", id="C119 disk"),
        pytest.param({"tiered_limits": {"R1": JetStreamLimits(mem_storage=5)}}, "C119", id="C119 a tier"),
        pytest.param({"streams": 5}, "", id="C119 no storage"),
    ],
)
def test_a_server_does_not_start_with_jetstream_on_the_system_account(
    tmp_path: Path, limits: dict[str, Any], code: str
) -> None:
    system, head = account("S", limits=limits), operator(NAMES["S"])
    configuration = f'jetstream {{ store_dir: "{tmp_path}/js" }}\n{memory(head, [system], NAMES["S"])}'
    if code:
        with pytest.raises(AssertionError, match="Not allowed to enable JetStream on the system account"):
            running(tmp_path, configuration).__enter__()
    else:
        with running(tmp_path, configuration):
            pass
    for one, other in ((system, head), (head, system)):
        assert codes(one, other) & {"C119"} == ({code} if code else set())


def test_limits_without_storage_leave_jetstream_off(tmp_path: Path) -> None:
    own, system = account("A", limits={"streams": 5, "consumer": 10}), account("S")
    configuration = (
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n{memory(operator(NAMES["S"]), [own, system])}'
    )
    with running(tmp_path, configuration) as port:
        user = login(port, KEYS["A"])
        user.send(["SUB answer 1", "PUB $JS.API.INFO answer 0\r\n"])
        end = time.monotonic() + 10
        while not user.messages and time.monotonic() < end:
            user.send([])
        assert b"JetStream not enabled for account" in user.messages[0].data
        user.close()
    assert "C120" in codes(own)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ("conn", "maximum account active connections exceeded"),
        ("subs", "maximum subscriptions exceeded"),
        ("payload", "Maximum Payload Violation"),
    ],
)
def test_a_limit_below_minus_one_locks_out(tmp_path: Path, limit: str, error: str) -> None:
    own = account("A", limits={limit: -2})
    with running(tmp_path, memory(operator(), [own])) as port:
        user = login(port, KEYS["A"])
        user.send(["SUB x 1", "PUB x 1\r\nx"])
        assert not user.take_messages()
        assert any(error in text for text in user.take_errors())
        user.close()
    assert "C121" in codes(own)
