from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.errors import BadUri, SeedlessError, StoreError, UsageError
from seedless.inventory import Attested, Inventory, KeyEntry, load, record
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.store import root_lock

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = PublicKey(Role.ACCOUNT, bytes([1] * 32))
OPERATOR = PublicKey(Role.OPERATOR, bytes([2] * 32))
URI = "pkcs11:token=ops;serial=12;object=orders;id=%01%02;type=private"


def entry(key: PublicKey = ACCOUNT, uri: str = URI, **changes: object) -> KeyEntry:
    values = {
        "public_key": key,
        "uri": uri,
        "role": key.role,
        "name": "Zoë",
        "made": "token",
        "at": 1_700_000_000,
    }
    return KeyEntry(**values | changes)


def test_the_file_is_sorted_readable_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    Inventory().with_entry(entry(OPERATOR, name="OP", made="import")).with_entry(entry()).save(path)
    assert path.read_text() == (
        "{\n"
        '  "version": 1,\n'
        '  "keys": {\n'
        f'    "{ACCOUNT}": {{\n'
        '      "role": "account",\n'
        '      "name": "Zo\\u00eb",\n'
        '      "uri": "pkcs11:token=ops;serial=12;object=orders;id=%01%02;type=private",\n'
        '      "made": "token",\n'
        '      "at": 1700000000\n'
        "    },\n"
        f'    "{OPERATOR}": {{\n'
        '      "role": "operator",\n'
        '      "name": "OP",\n'
        '      "uri": "pkcs11:token=ops;serial=12;object=orders;id=%01%02;type=private",\n'
        '      "made": "import",\n'
        '      "at": 1700000000\n'
        "    }\n"
        "  }\n"
        "}\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    inventory = Inventory().with_entry(entry()).with_entry(entry(OPERATOR))
    inventory.save(tmp_path / "keyring.json")
    assert load(tmp_path / "keyring.json") == inventory
    assert load(tmp_path / "keyring.json").get(ACCOUNT) == entry()
    assert load(tmp_path / "keyring.json").get(PublicKey(Role.USER, bytes(32))) is None


def test_that_a_key_was_attested_is_kept_and_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    attested = entry(attested=Attested(sha256="0f" * 32, at=1_700_000_001))
    Inventory().with_entry(attested).with_entry(entry(OPERATOR)).save(path)
    assert json.loads(path.read_text())["keys"][str(ACCOUNT)]["attested"] == {
        "sha256": "0f" * 32,
        "at": 1_700_000_001,
    }
    assert load(path).get(ACCOUNT) == attested
    for wrong in ('"0f"', '{"sha256": "0F", "at": 1}', '{"sha256": 1, "at": 1}', '{"at": 1}'):
        data = json.loads(path.read_text())
        data["keys"][str(ACCOUNT)]["attested"] = json.loads(wrong)
        damaged = tmp_path / "damaged.json"
        damaged.write_text(json.dumps(data))
        with pytest.raises(StoreError, match="is damaged"):
            load(damaged)


def test_a_missing_file_is_an_empty_keyring(tmp_path: Path) -> None:
    assert load(tmp_path / "keyring.json") == Inventory()


def test_an_entry_replaces_the_older_one_of_its_key() -> None:
    inventory = Inventory().with_entry(entry()).with_entry(entry(name="new"))
    assert [one.name for one in inventory] == ["new"]
    assert len(inventory.without(ACCOUNT)) == 0


def test_one_raw_key_has_one_role() -> None:
    with pytest.raises(UsageError, match="is the same key as"):
        Inventory().with_entry(entry()).with_entry(entry(PublicKey(Role.OPERATOR, ACCOUNT.raw)))


def test_an_entry_has_the_role_of_its_key() -> None:
    with pytest.raises(UsageError, match="is not the key of an operator"):
        entry(role=Role.OPERATOR)


@pytest.mark.parametrize(
    "query",
    ["module-path=/tmp/evil.so", "module-name=evil", "pin-source=file:/pin", "x-vendor=1"],
)
def test_a_uri_with_a_module_or_a_pin_source_is_not_recorded(query: str) -> None:
    with pytest.raises(BadUri, match="names a module or a PIN source"):
        entry(uri=f"{URI}?{query}")
    assert entry(uri=str(KeyUri.parse(f"{URI}?{query}").without_query())) == entry()


def test_record_adds_under_the_lock(tmp_path: Path) -> None:
    path, lock = tmp_path / "root" / "keyring.json", root_lock(tmp_path / "root")
    record(path, lock.held(), entry())
    record(path, lock.held(), entry(OPERATOR))
    assert [one.public_key for one in load(path)] == [ACCOUNT, OPERATOR]


def damaged(**changes: object) -> str:
    item = {"role": "account", "name": "n", "uri": URI, "made": "token", "at": 1} | changes
    keys = {str(ACCOUNT): {name: value for name, value in item.items() if value is not None}}
    return json.dumps({"version": 1, "keys": keys})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "not JSON: expecting value, line 1 column 1", id="empty"),
        pytest.param("[]", "it is not an object", id="a list"),
        pytest.param("{}", " is missing", id="nothing in it"),
        pytest.param('{"version":2,"keys":{}}', "it is of version 2, this program reads 1", id="newer"),
        pytest.param('{"version":1,"keys":{"x":{}}}', "keys.x.", id="no members"),
        pytest.param(damaged(at="1"), f"keys.{ACCOUNT}.at is not an integer", id="type"),
        pytest.param(damaged(at=True), f"keys.{ACCOUNT}.at is not an integer", id="a boolean"),
        pytest.param(damaged(uri=None), f"keys.{ACCOUNT}.uri is missing", id="missing"),
        pytest.param(damaged(seed="SU"), f"keys.{ACCOUNT}.seed is not known", id="unknown"),
        pytest.param(damaged(made="hand"), f"keys.{ACCOUNT}: a key is made by one of", id="made"),
        pytest.param(damaged(role="king"), f'keys.{ACCOUNT}: there is no role "king"', id="role"),
        pytest.param(damaged(uri="x"), f"keys.{ACCOUNT}: this is not a PKCS#11 URI", id="uri"),
        pytest.param(
            damaged(uri=f"{URI}?module-path=/tmp/evil.so"),
            f"keys.{ACCOUNT}: the URI of {ACCOUNT} names a module or a PIN source",
            id="brings a module",
        ),
        pytest.param(
            damaged().replace(str(ACCOUNT), "A" * 55 + "B"), "the checksum of the key is wrong", id="key"
        ),
        pytest.param('{"version":1,"version":1,"keys":{}}', "version: the name occurs twice", id="twice"),
    ],
)
def test_a_damaged_keyring_is_reported_by_path_and_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(text)
    with pytest.raises(StoreError) as caught:
        load(path)
    assert caught.value.message.startswith(f"{path} is damaged: ")
    assert sentence in caught.value.message


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_no_bytes_make_loading_raise_anything_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(SeedlessError):
        load(path)


SPARE_URI = "pkcs11:token=spare;serial=13;object=orders;id=%03;type=private"


def test_a_second_place_of_a_key_is_kept_beside_the_first(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    inventory = (
        Inventory().with_entry(entry()).with_entry(entry(uri=SPARE_URI, made="import", at=1_800_000_000))
    )
    inventory.save(path)
    assert json.loads(path.read_text())["keys"][str(ACCOUNT)] == {
        "role": "account",
        "name": "Zoë",
        "uri": URI,
        "made": "token",
        "at": 1_700_000_000,
        "spares": [{"uri": SPARE_URI, "made": "import", "at": 1_800_000_000}],
    }
    assert load(path) == inventory
    assert [place.uri for place in inventory.entries[0].places] == [URI, SPARE_URI]


def test_a_place_that_is_found_again_was_checked_then_and_is_not_doubled() -> None:
    relabelled = URI.replace("object=orders", "object=renamed")
    again = Inventory().with_entry(entry()).with_entry(entry(uri=relabelled, made="found", at=1_800_000_000))
    assert again.entries == (entry(uri=relabelled, checked_at=1_800_000_000),)
    assert again.with_entry(entry()).entries == (entry(checked_at=1_800_000_000),)


def test_a_place_is_taken_away_from_an_entry() -> None:
    both = entry().merged(entry(uri=SPARE_URI))
    assert both.at_places(both.places[:1]) == entry(uri=SPARE_URI)


def test_the_uri_of_an_entry_is_of_a_token_that_was_not_lost() -> None:
    places = entry().places[0], entry(uri=SPARE_URI).places[0]
    lost = entry().at_places([msgspec.structs.replace(places[0], lost_at=1_700_000_100), places[1]])
    assert (lost.uri, [place.lost_at for place in lost.places]) == (SPARE_URI, [0, 1_700_000_100])


@pytest.mark.parametrize(
    ("spare", "sentence"),
    [
        ({"uri": SPARE_URI, "made": "import"}, "at is missing"),
        ({"uri": SPARE_URI, "made": "hand", "at": 1}, "a key is made by one of"),
        (
            {"uri": f"{SPARE_URI}?module-path=/x.so", "made": "import", "at": 1},
            "names a module or a PIN source",
        ),
        ({"uri": SPARE_URI, "made": "import", "at": 1, "seed": "S"}, "seed is not known"),
    ],
    ids=["missing", "made", "brings a module", "unknown"],
)
def test_a_damaged_spare_is_reported_by_its_place(
    tmp_path: Path, spare: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(damaged(spares=[spare]))
    with pytest.raises(StoreError, match=sentence):
        load(path)
