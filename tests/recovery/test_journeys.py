"""Whole recoveries on a terminal and on real tokens: create, read back, restore elsewhere, sign there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless.recovery import slip39
from seedless.recovery.slip39_words import WORDS
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in conftest.py
    Created = Callable[..., tuple[Path, list[list[str]]]]

CREATE = (
    "recovery",
    "create",
    "ACME",
    "--threshold",
    "2",
    "--shares",
    "3",
    "--key",
    "operator:ACME",
    "--yes",
)


def on_token(cli: Cli, uri: str | None = None) -> list[str]:
    """The labels of the keys on a token."""
    listed = cli.ok("key", "list", "--token", uri or cli.token.uri, "--json").data["keys"]
    return sorted(row["uri"].partition("object=")[2].partition(";")[0] for row in listed if row["uri"])


def other_word(word: str) -> str:
    return WORDS[(WORDS.index(word) + 512) % 1024]


def test_an_operator_is_created_lost_and_restored_on_another_token_where_it_signs(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: Holders
) -> None:
    record = cli.home / "record.json"
    people = holders(cli.terminal_for(*CREATE, "--key", "account:SYS", "--holder", "Ada", "--holder", "Bo",
                                       "--holder", "Cy", "-o", str(record)))  # fmt: skip
    people.write_down_all()
    people.terminal.wait_for("Share 1: Ada")
    typed = list(people.shares[0])
    typed[6] = other_word(typed[6])
    people.type_share(typed)
    people.terminal.wait_for("not what was shown: word 7.")
    people.terminal.wait_for("Word 7: ")
    people.terminal.type("!\n")
    people.type_share(typed)
    people.terminal.wait_for("Word 7: ")
    people.terminal.type(f"{people.shares[0][6]}\n")
    # The paper of another holder is typed again, and not corrected word by word.
    people.terminal.wait_for("Share 2: Bo")
    people.type_share(people.shares[2])
    people.terminal.wait_for(" words are not what was shown: is this the paper of this share?")
    people.read_back(2)
    people.read_back(3)
    assert people.terminal.end() == 0, people.terminal.said
    data = json.loads(record.read_bytes())
    operator, system = (key["public_key"] for key in data["keys"])
    assert [share["holder"] for share in data["shares"]] == ["Ada", "Bo", "Cy"]
    assert on_token(cli) == ["account:SYS", "operator:ACME"]
    cli.ok("operator", "add", "ACME", "--public-key", operator)
    softhsm.remove(cli.token)
    (cli.home / "none").mkdir()
    (cli.home / "none.conf").write_text(f"directories.tokendir = {cli.home / 'none'}\n")
    elsewhere = {"SOFTHSM2_CONF": str(cli.home / "none.conf"), "SEEDLESS_TOKEN": None}
    lost = cli.child("account", "add", "ORDERS", "--public-key", system, **elsewhere)
    assert (
        "if it is lost: its shares restore it: seedless recovery restore RECORD --token OTHER\n" in lost.err
    )

    spare = softhsm.create("SPARE", pin=cli.token.pin)
    again = holders(cli.terminal_for("recovery", "restore", str(record), "--token", spare.uri, "--yes"))
    again.terminal.wait_for("Any of the shares, 1 of 2 that are required:")
    again.type_share(people.shares[2])
    again.terminal.wait_for("Any of the shares, 2 of 2 that are required:")
    again.type_share(people.shares[0])
    assert again.terminal.end() == 0, again.terminal.said
    assert operator in again.terminal.said
    assert on_token(cli, spare.uri) == ["account:SYS", "operator:ACME"]
    listed = {row["public_key"]: row["spares"] for row in cli.ok("key", "list", "--json").data["keys"]}
    for key in (operator, system):
        assert [spare.serial in place["uri"] for place in listed[key]] == [True]
    cli.ok("account", "add", "ORDERS", "--token", spare.uri)
    shown = cli.ok("show", str(cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"), "--json").data
    assert shown["issuer"] == operator
    cli.ok("verify")


def test_shares_of_20_words_with_dice_restore_one_key_of_the_record(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: Holders
) -> None:
    record = cli.home / "record.json"
    words = ("--bits", "128", "--dice", "--key", "account:SYS", "-o", str(record))
    people = holders(cli.terminal_for(*CREATE, *words))
    people.terminal.wait_for("the secret has 128 random bits")
    people.terminal.wait_for("Throw a die 50 times")
    people.terminal.wait_for("50 more: ")
    people.terminal.type("1 2 3 7\n")
    people.terminal.wait_for("a die shows 1 to 6; this line does not count")
    people.terminal.wait_for("50 more: ")
    people.terminal.type("16243 51263 " * 5 + "\n")
    people.write_down_all()
    people.read_back_all()
    assert people.terminal.end() == 0, people.terminal.said
    assert {len(share) for share in people.shares} == {20}
    spare = softhsm.create("SPARE", pin=cli.token.pin)
    restore = ("recovery", "restore", str(record), "--key", "account:SYS", "--token", spare.uri, "--yes")
    again = holders(cli.terminal_for(*restore))
    again.type_share(people.shares[0])
    again.type_share([word[:4] for word in people.shares[1]])
    assert again.terminal.end() == 0, again.terminal.said
    assert on_token(cli, spare.uri) == ["account:SYS"]


def test_restoring_what_the_token_has_already_is_a_test_signature_and_no_second_key(
    cli: Cli, created: Created, holders: Holders
) -> None:
    record, shares = created()
    again = holders(cli.terminal_for("recovery", "restore", str(record), "--token", cli.token.label))
    where = f'token "{cli.token.label}" (serial {cli.token.serial})'
    again.terminal.wait_for(f"written are: the keys on {where}, their places in the inventory, ")
    again.terminal.wait_for(f"{cli.store / 'restores'}")
    again.terminal.wait_for(f"Restore operator:ACME on {where}? [y/N]: ")
    again.terminal.type("y\n")
    again.type_share(shares[1])
    again.type_share(shares[2])
    assert again.terminal.end() == 0, again.terminal.said
    assert on_token(cli) == ["operator:ACME"]


def test_words_and_shares_that_are_wrong_are_refused_as_they_are_typed(
    cli: Cli, created: Created, holders: Holders
) -> None:
    record, shares = created()
    read = [slip39.decode(share) for share in shares]
    forged = slip39.split(bytes(32), 2, 3, identifier=read[0].common.identifier)[1]
    foreign = slip39.split(bytes(32), 2, 3, identifier=read[0].common.identifier ^ 1)[1]
    people = holders(cli.terminal_for("recovery", "check", str(record)))
    say = people.terminal
    say.wait_for("Any of the shares, 1 of 2 that are required:")
    people.type_share(slip39.encode(forged))
    say.wait_for("this is not the share 2 of holder 2 that the record lists; it is forged")
    people.type_share(slip39.encode(foreign))
    say.wait_for("this share is of another set: its identifier is")
    say.wait_for("Words 1 to 33, several on a line: ")
    say.type(f"{shares[0][0]} {shares[0][1][:-1]}qq {shares[0][2]}\n")
    say.wait_for("word 2 is not in the list")
    say.wait_for("Words 2 to 33, several on a line: ")
    say.type(" ".join([*shares[0][1:20], other_word(shares[0][20]), *shares[0][21:]]) + "\n")
    say.wait_for("the checksum is wrong: word 21 may be; compare it with the paper")
    assert shares[0][20] not in say.said.partition("word 21 may be")[2]
    say.wait_for("Word 21: ")
    say.type(f"{shares[0][20]}\n")
    say.wait_for("Any of the shares, 2 of 2 that are required:")
    people.type_share(shares[0])
    say.wait_for("share 1 was typed already; another one is required")
    people.type_share(shares[2])
    assert say.end() == 0, say.said
    assert "the shares restore the 1 keys of the record; nothing was imported" in say.said


def test_a_holder_checks_one_share_alone(cli: Cli, created: Created, holders: Holders) -> None:
    record, shares = created()
    with (cli.home / "out").open("wb") as out:
        words = ("recovery", "check", str(record), "--one-share", "--json")
        people = holders(cli.terminal_for(*words, stdout=out))
        people.type_share(shares[1])
        assert people.terminal.end() == 0, people.terminal.said
    data = json.loads((cli.home / "out").read_bytes())
    assert (data["shares"], data["keys"]) == ([{"number": 2, "holder": "holder 2"}], [])


def test_a_further_key_is_derived_and_its_record_restores_both(
    cli: Cli, created: Created, softhsm: pytest_softhsm.SoftHSM, holders: Holders
) -> None:
    record, shares = created()
    longer = cli.home / "longer.json"
    words = ("recovery", "derive", str(record), "--role", "account", "--name", "ORDERS", "-o", str(longer))
    people = holders(cli.terminal_for(*words, "--yes"))
    people.type_share(shares[0])
    people.type_share(shares[1])
    assert people.terminal.end() == 0, people.terminal.said
    names = [key["name"] for key in json.loads(longer.read_bytes())["keys"]]
    assert names == ["ACME", "ORDERS"]
    assert on_token(cli) == ["account:ORDERS", "operator:ACME"]
    spare = softhsm.create("SPARE", pin=cli.token.pin)
    again = holders(cli.terminal_for("recovery", "restore", str(longer), "--token", spare.uri, "--yes"))
    again.type_share(shares[0])
    again.type_share(shares[2])
    assert again.terminal.end() == 0, again.terminal.said
    assert on_token(cli, spare.uri) == ["account:ORDERS", "operator:ACME"]

    # The program of the page, which shares no line with this project, restores the same keys.
    page = Path(__file__).parents[2] / "docs/reference/recovery.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program, str(longer)],
        input="".join(f"{' '.join(shares[number])}\n" for number in (0, 2)),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    restored = dict(re.findall(r"([AO][A-Z2-7]{55}) (S[A-Z2-7]{57})", done.stdout))
    listed = {row["public_key"] for row in cli.ok("key", "list", "--json").data["keys"]}
    assert restored.keys() == listed
    assert {str(SoftwareKey.parse(seed).public_key) for seed in restored.values()} == listed


def test_the_share_can_be_seen_again_by_whoever_wrote_it_down_wrongly(cli: Cli, holders: Holders) -> None:
    record = cli.home / "record.json"
    people = holders(cli.terminal_for(*CREATE, "-o", str(record)))
    people.write_down_all()
    people.terminal.wait_for("Words 1 to 33, several on a line: ")
    people.terminal.type("?\n")
    assert people.write_down(1) == people.shares[0]
    people.shares.pop()
    people.read_back_all()
    assert people.terminal.end() == 0, people.terminal.said


def test_a_wrong_pin_after_the_read_back_keeps_the_shares_and_reports_how_to_go_on(
    cli: Cli, holders: Holders
) -> None:
    record = cli.home / "record.json"
    cli.env["TOKEN_PIN"] = "wrong-pin"
    people = holders(cli.terminal_for(*CREATE, "-o", str(record)))
    people.write_down_all()
    people.read_back_all()
    assert people.terminal.end() == 4
    assert "no key was imported" in people.terminal.said
    assert f"seedless recovery restore {record} --token URI imports the keys" in people.terminal.text
    cli.env["TOKEN_PIN"] = cli.token.pin
    assert on_token(cli) == []
    again = holders(cli.terminal_for("recovery", "restore", str(record), "--yes"))
    again.type_share(people.shares[0])
    again.type_share(people.shares[1])
    assert again.terminal.end() == 0, again.terminal.said
    assert on_token(cli) == ["operator:ACME"]


def test_forms_for_shares_that_are_not_possible_are_refused_as_the_shares_are(cli: Cli) -> None:
    for command in (("form",), ("create", "ACME", "--yes")):
        done = cli.run("recovery", *command, "--threshold", "4", "--shares", "3", "-o", str(cli.home / "out"))
        assert (done.code, "error: 4 of 3 shares are not possible\n" in done.err) == (2, True), done
    assert not (cli.home / "out").exists()
