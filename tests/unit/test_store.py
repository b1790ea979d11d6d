from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.claims import Account, Operator, User
from seedless.errors import StoreError, UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, Store, create_store, default_root, open_store, operators
from seedless.store.names import check_name, file_name, name_of, require_storable

OPERATOR = SoftwareKey(Role.OPERATOR, bytes([1] * 32))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes([2] * 32))
USER = SoftwareKey(Role.USER, bytes([3] * 32))


def signed(claims: Claims, key: SoftwareKey, at: int = 1_700_000_000) -> Jwt:
    made = draft(claims, key.public_key, at)
    return made.complete(key.sign(made.signing_input))


def operator_jwt(name: str = "OP") -> Jwt[Operator]:
    return signed(Claims(sub=str(OPERATOR.public_key), name=name, body=Operator.new()), OPERATOR)


def account_jwt(name: str, key: SoftwareKey = ACCOUNT, at: int = 1_700_000_000) -> Jwt[Account]:
    return signed(Claims(sub=str(key.public_key), name=name, body=Account.new()), OPERATOR, at)


def user_jwt(name: str, key: SoftwareKey = USER) -> Jwt[User]:
    return signed(Claims(sub=str(key.public_key), name=name, body=User.new()), ACCOUNT)


def files(root: Path) -> dict[str, str]:
    """Every file below *root* but the lock, and what it holds."""
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in found.items() if name != ".seedless.lock"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> NscStore:
    store = create_store(root, "OP")
    store.put({(): operator_jwt(), ("A",): account_jwt("A"), ("A", "ann"): user_jwt("ann")})
    return store


def test_a_new_store_has_the_layout_and_the_bytes_of_nsc(store: Store, root: Path) -> None:
    store.put({}, {store.creds_path("A", "ann"): "creds\n"})
    assert files(root) == {
        "stores/OP/.nsc": '{"managed":false,"name":"OP","kind":"operator","version":"1"}',
        "stores/OP/OP.jwt": operator_jwt().text,
        "stores/OP/accounts/A/A.jwt": account_jwt("A").text,
        "stores/OP/accounts/A/users/ann.jwt": user_jwt("ann").text,
        "keys/creds/OP/A/ann.creds": "creds\n",
    }


def test_files_are_for_the_owner_only(store: Store, root: Path) -> None:
    store.put({}, {store.creds_path("A", "ann"): "creds\n"})
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [root, *root.rglob("*")]}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_what_was_put_is_read_back_verified(store: Store) -> None:
    assert store.get() == operator_jwt()
    assert store.get("A") == account_jwt("A")
    assert store.get("A", "ann") == user_jwt("ann")
    assert store.get("B") is None
    assert store.get("A", "bob") is None


def test_names_are_listed_sorted_and_temporary_files_are_not_names(store: Store, root: Path) -> None:
    store.put({("Ö",): account_jwt("Ö"), ("A.b",): account_jwt("A.b"), ("A", "x.y"): user_jwt("x.y")})
    (root / "stores/OP/accounts/A/users/.seedless-0.tmp").write_text("half")
    (root / "stores/OP/accounts/empty").mkdir()
    assert store.children() == ["A", "A.b", "Ö"]
    assert store.children("A") == ["ann", "x.y"]
    assert store.children("A", "ann") == []
    assert store.children("B") == []


def test_a_put_replaces_whole_files_and_leaves_no_others(store: Store, root: Path) -> None:
    before = files(root)
    newer = account_jwt("A", at=1_700_000_001)
    store.put({("A",): newer})
    assert files(root) == before | {"stores/OP/accounts/A/A.jwt": newer.text}


def test_a_jwt_is_found_by_its_subject(store: Store) -> None:
    assert store.find(OPERATOR.public_key) == ()
    assert store.find(ACCOUNT.public_key) == ("A",)
    assert store.find(USER.public_key) == ("A", "ann")
    assert store.find(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key) is None
    assert store.find(SoftwareKey(Role.CURVE, bytes(32)).public_key) is None


def test_extra_files_are_written_with_the_change(store: Store, root: Path) -> None:
    path = store.creds_path("A", "bob")
    store.put({("A", "bob"): user_jwt("bob")}, {path: "creds", root / "keyring.json": "{}"})
    assert path.read_text() == "creds"
    assert (root / "keyring.json").read_text() == "{}"


# Damaged files


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"], ids=["newline", "windows", "two newlines"])
def test_the_newline_of_an_imported_file_is_not_part_of_the_jwt(
    store: Store, root: Path, ending: str
) -> None:
    (root / "stores/OP/accounts/A/A.jwt").write_bytes((account_jwt("A").text + ending).encode())
    found = store.get("A")
    assert found is not None
    assert found.text == account_jwt("A").text
    assert [one.rule for one in found.deviations] == (["loose-base64"] if ending == "\n\n" else [])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "is damaged: a jwt has three parts divided by dots, this has 1", id="empty"),
        pytest.param(b"\xff\xfe", "is damaged: it is not ASCII", id="binary"),
        pytest.param(account_jwt("A").text[:-9].encode(), "is damaged: ", id="cut"),
        pytest.param(user_jwt("A").text.encode(), "holds user claims, not account claims", id="other kind"),
        pytest.param(account_jwt("B").text.encode(), 'holds the jwt of "B", not of "A"', id="other name"),
        pytest.param(b"x" * 1_048_577, "is damaged: the jwt has 1048577 characters, at most", id="too long"),
    ],
)
def test_a_damaged_jwt_is_reported_by_its_path_and_the_others_are_read(
    store: Store, root: Path, content: bytes, sentence: str
) -> None:
    store.put({("B",): account_jwt("B", SoftwareKey(Role.ACCOUNT, bytes(32)))})
    path = root / "stores/OP/accounts/A/A.jwt"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        store.get("A")
    assert caught.value.message.startswith(f"{path} {sentence}")
    assert store.get("B") is not None
    assert store.find(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key) == ("B",)


def test_a_pipe_or_a_folder_at_the_place_of_a_jwt_is_refused(store: Store, root: Path) -> None:
    os.mkfifo(root / "stores/OP/accounts/A/users/pipe.jwt")
    (root / "stores/OP/accounts/A/users/folder.jwt").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(StoreError, match="is not a regular file"):
            store.get("A", name)


def test_a_name_that_nsc_trimmed_for_its_file_is_read(store: Store, root: Path) -> None:
    jwt = account_jwt(" T ")
    (root / "stores/OP/accounts/T").mkdir()
    (root / "stores/OP/accounts/T/T.jwt").write_text(jwt.text)
    assert store.get("T") == jwt


# Names


BAD_NAMES = [
    pytest.param("", "is empty", id="empty"),
    pytest.param("a/b", "holds a /", id="slash"),
    pytest.param("../x", "holds a /", id="parent folder"),
    pytest.param("..", "begins with a dot", id="dots"),
    pytest.param(".nsc", "begins with a dot", id="hidden"),
    pytest.param("a\nb", "holds a control character", id="newline"),
    pytest.param("a\x00b", "holds a control character", id="nul"),
    pytest.param("a\x1b[31mb", "holds a control character", id="escape"),
    pytest.param("a\u2028b", "holds a control character", id="line separator"),
    pytest.param("a\udc80b", "holds a control character", id="not unicode"),
    pytest.param(" a", "begins or ends with a blank", id="leading blank"),
    pytest.param("a\u00a0", "begins or ends with a blank", id="trailing blank"),
    pytest.param("ü" * 125, "is longer than 249 bytes", id="long"),
]


@pytest.mark.parametrize(("name", "reason"), BAD_NAMES)
def test_nothing_new_gets_a_name_that_is_no_name_of_a_file(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        check_name(name)
    assert caught.value.message.isprintable()


UNSTORABLE = [
    pytest.param("", "is empty", id="empty"),
    pytest.param("a\udc80b", "holds half of a surrogate pair", id="not unicode"),
    pytest.param("ü" * 125, "is longer than 249 bytes as the name of a file", id="long"),
    pytest.param("/" * 84, "is longer than 249 bytes as the name of a file", id="long when written"),
]


@pytest.mark.parametrize(("name", "reason"), UNSTORABLE)
def test_a_name_that_no_file_can_have_is_refused_and_nothing_written(
    store: NscStore, root: Path, name: str, reason: str
) -> None:
    before = files(root)
    jwt = account_jwt("A")
    with pytest.raises(UsageError, match=reason) as caught:
        store.put({("A",): account_jwt("A", at=1_700_000_009), (name,): jwt})
    assert caught.value.message.isprintable()
    with pytest.raises(UsageError, match=reason):
        store.put({("A", name): user_jwt("ann")}, {root / "keys/creds/OP/A/x.creds": "creds"})
    with pytest.raises(UsageError, match=reason):
        create_store(root, name)
    assert files(root) == before


@pytest.mark.parametrize("name", [".", "..", "../A", "/etc/passwd", "a\x00"])
def test_no_name_leads_out_of_the_store_when_reading(store: NscStore, root: Path, name: str) -> None:
    assert (store.get(name), store.get("A", name)) == (None, None)
    assert (store.children(name), store.children("A", name)) == ([], [])
    assert store.path(name).parent.parent == root / "stores/OP/accounts"
    assert store.path("A", name).parent == root / "stores/OP/accounts/A/users"
    assert store.creds_path("A", name).parent == root / "keys/creds/OP/A"
    with pytest.raises(UsageError, match="there is no operator"):
        open_store(root, name)


def test_nothing_is_called_nothing(store: NscStore, root: Path) -> None:
    for look in (store.get, store.children, store.path):
        with pytest.raises(UsageError, match='the name "" is empty'):
            look("")
    with pytest.raises(UsageError, match='the name "" is empty'):
        open_store(root, "")


NAMES = {
    "plain": ("orders", "orders"),
    "a slash": ("team/orders", "team%2Forders"),
    "two": ("a//b", "a%2F%2Fb"),
    "a path": ("../../etc", "%2E.%2F..%2Fetc"),
    "a dot": (".", "%2E"),
    "a dot before": (".hidden", "%2Ehidden"),
    "a dot within": ("a.b", "a.b"),
    "NUL": ("a\0b", "a%00b"),
    "a line break": ("a\nb", "a%0Ab"),
    "another line break": ("a\u2028b", "a%E2%80%A8b"),
    "a percent sign": ("50%", "50%"),
    "a blank of URLs": ("a%20b", "a%20b"),
    "a slash of URLs": ("team%2Forders", "team%252Forders"),
    "a percent sign of URLs": ("team%252Forders", "team%25252Forders"),
    "lower case": ("a%2fb", "a%2fb"),
    "accents": ("café", "café"),
    "accents apart": ("cafe\u0301", "cafe\u0301"),
    "upper case": ("ORDERS", "ORDERS"),
}


@pytest.mark.parametrize(("name", "file"), NAMES.values(), ids=NAMES)
def test_a_name_is_no_path_and_has_one_file(store: NscStore, root: Path, name: str, file: str) -> None:
    assert (file_name(name), name_of(file)) == (file, name)
    store.put({(name,): account_jwt(name), (name, name): user_jwt(name)})
    assert (root / f"stores/OP/accounts/{file}/{file}.jwt").read_text() == account_jwt(name).text
    assert (root / f"stores/OP/accounts/{file}/users/{file}.jwt").read_text() == user_jwt(name).text
    assert store.creds_path(name, name) == root / f"keys/creds/OP/{file}/{file}.creds"
    assert store.children() == sorted({"A", name})
    assert store.children(name) == [name]
    assert (store.get(name), store.get(name, name)) == (account_jwt(name), user_jwt(name))


def test_an_operator_may_be_called_so_too(root: Path) -> None:
    store = create_store(root, "team/ops")
    store.put({(): operator_jwt("team/ops")})
    assert files(root) == {
        "stores/team%2Fops/.nsc": '{"managed":false,"name":"team%2Fops","kind":"operator","version":"1"}',
        "stores/team%2Fops/team%2Fops.jwt": operator_jwt("team/ops").text,
    }
    assert operators(root) == ["team/ops"]
    assert open_store(root, "team/ops").get() == operator_jwt("team/ops")


@pytest.mark.parametrize("name", ["a\tb", "a%2Fb%", "a%25b"])
def test_a_file_that_nsc_called_otherwise_is_found_as_it_is(store: NscStore, root: Path, name: str) -> None:
    folder = root / "stores/OP/accounts" / name
    folder.mkdir()
    (folder / f"{name}.jwt").write_text(account_jwt(name).text)
    assert store.get(name) == account_jwt(name)
    assert name in store.children()


@given(st.text(max_size=80))
def test_names_of_files_stay_in_their_folder_and_are_read_back(name: str) -> None:
    try:
        require_storable(name)
    except UsageError:
        return
    file = file_name(name)
    assert name_of(file) == name
    assert Path("/store", file).parent == Path("/store")
    assert not file.startswith(".")
    assert len(file.splitlines()) == 1
    assert len(os.fsencode(f"{file}.creds")) <= 255


@given(st.text("%25F0./\n", max_size=9), st.text("%25F0./\n", max_size=9))
def test_two_names_never_share_a_file(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_a_jwt_is_not_put_over_one_that_another_name_has_there(store: NscStore, root: Path) -> None:
    (root / "stores/OP/accounts/A/A.jwt").write_text(account_jwt("a").text)  # as where case does not count
    with pytest.raises(StoreError, match='holds the jwt of "a", and nothing is put in its place'):
        store.put({("A",): account_jwt("A")})


@given(st.text(max_size=80))
def test_a_name_is_refused_or_is_one_printable_line_that_stays_in_its_folder(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    assert Path("/store", name).parent == Path("/store")
    assert len(name.splitlines()) == 1
    assert len(os.fsencode(f"{name}.creds")) <= 255


def test_a_jwt_is_not_put_at_the_place_of_another(store: Store, root: Path) -> None:
    before = files(root)
    for address, jwt, reason in [
        (("B",), account_jwt("A"), 'holds the jwt of "A", not of "B"'),
        (("A",), user_jwt("A"), "holds user claims, not account claims"),
        ((), operator_jwt("OTHER"), 'holds the jwt of "OTHER", not of "OP"'),
    ]:
        with pytest.raises(UsageError, match=reason):
            store.put({address: jwt})
    with pytest.raises(UsageError, match="an address is"):
        store.put({("A", "b", "c"): user_jwt("c")})
    assert files(root) == before


# Which store


def test_the_only_store_is_opened_without_its_name(store: Store, root: Path) -> None:
    assert operators(root) == ["OP"]
    assert open_store(root).operator == "OP"
    assert open_store(root).get("A") == account_jwt("A")


def test_of_several_stores_one_must_be_named(store: Store, root: Path) -> None:
    create_store(root, "B b").put({(): operator_jwt("B b")})
    with pytest.raises(UsageError) as caught:
        open_store(root)
    assert caught.value.message == f'{root} holds 2 operators: "B b", "OP"'
    assert caught.value.hint == "name it: --operator NAME"
    assert open_store(root, "B b").operator == "B b"


def test_no_store_is_reported_with_the_way_to_name_one(root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(root)
    assert (caught.value.message, caught.value.hint) == (
        f"there is no store in {root}",
        "where is it? --store DIR or SEEDLESS_STORE names its folder; is that mounted?",
    )
    assert not root.exists()


def test_an_unknown_operator_is_reported_with_those_that_are_there(store: Store, root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(root, "NO")
    assert caught.value.message == f'there is no operator "NO" in {root}'
    assert caught.value.hint == 'there is "OP"'


def test_a_second_store_of_one_name_is_refused(store: Store, root: Path) -> None:
    with pytest.raises(UsageError, match='there is already an operator "OP"'):
        create_store(root, "OP")


def test_of_two_runs_that_make_one_store_the_second_is_refused(root: Path) -> None:
    first, second = create_store(root, "OP"), create_store(root, "OP")
    first.put({(): operator_jwt()})
    before = files(root)
    with pytest.raises(StoreError, match="was created meanwhile"):
        second.put(
            {(): signed(Claims(sub=str(OPERATOR.public_key), name="OP", body=Operator.new()), OPERATOR, 9)}
        )
    assert files(root) == before


def test_a_new_store_needs_its_operator_first(root: Path) -> None:
    with pytest.raises(UsageError, match="needs its operator jwt first"):
        create_store(root, "OP").put({("A",): account_jwt("A")})
    assert files(root) == {}


def test_the_mark_of_a_managed_store_contains_that_it_is_managed(root: Path) -> None:
    create_store(root, "O<P", managed=True).put({(): operator_jwt("O<P")})
    assert (root / "stores/O<P/.nsc").read_text() == (
        r'{"managed":true,"name":"O\u003cP","kind":"operator","version":"1"}'
    )
    assert open_store(root).managed is True


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"managed":1,"name":"OP"}', b"\xff"])
def test_a_damaged_mark_is_reported_by_its_path(store: Store, root: Path, content: bytes) -> None:
    path = root / "stores/OP/.nsc"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"OP/\.nsc is damaged"):
        open_store(root)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({"HOME": "/home/ann"}, "/home/ann/.local/share/seedless", id="home"),
        pytest.param({"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, "/data/seedless", id="xdg"),
        pytest.param(
            {"HOME": "/home/ann", "XDG_DATA_HOME": "data"},
            "/home/ann/.local/share/seedless",
            id="a relative path counts as none",
        ),
    ],
)
def test_the_default_root_is_the_folder_of_xdg(environment: dict[str, str], expected: str) -> None:
    assert default_root(environment) == Path(expected)
