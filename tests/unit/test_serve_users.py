"""The backend of users in a file: hashes are costly and few, verdicts are short, and a file is read again."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest

from seedless.errors import BackendError, BadClaims, InvalidValue, Refused, StoreError
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends import users
from seedless.serve.backends.users import UserFile, UsersSettings, hash_password, read_users
from seedless.serve.login import Identity, Login

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = SoftwareKey(Role.USER, bytes(32)).public_key
HASH = users.hash_password("correct horse")
FILE = f"""
[ada]
password = "{HASH}"
account = "ORDERS"
role = "clerk"
tags = ["dept:sales"]
attributes = {{ groups = ["clerks", "night"], tenant = "acme" }}

[sensor]
nkey = "{KEY}"
"""
ADA = Identity(
    backend="staff",
    name="ada",
    account="ORDERS",
    role="clerk",
    tags=("dept:sales",),
    attributes={"groups": ("clerks", "night"), "tenant": "acme"},
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that are computed, each with what it is compared with."""
    computed: list[bytes] = []
    verify = users._verify

    def counted(known: bytes, password: bytes) -> bool:
        computed.append(known)
        return verify(known, password)

    monkeypatch.setattr(users, "_verify", counted)
    return computed


def run(backend: UserFile, *logins: Login) -> list[Identity | str | None]:
    """What each login comes to, all at once: an identity, None, or why it is refused."""

    async def one(login: Login) -> Identity | str | None:
        try:
            return await backend.identify(login)
        except Refused as error:
            return error.message

    async def all_of_them() -> list[Identity | str | None]:
        return list(await asyncio.gather(*map(one, logins)))

    return asyncio.run(all_of_them())


RIGHT = Login(user="ada", password="correct horse")
WRONG = Login(user="ada", password="incorrect horse")


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        pytest.param(RIGHT, ADA, id="right"),
        pytest.param(WRONG, "the password is wrong", id="wrong"),
        pytest.param(Login(user="bob", password="correct horse"), None, id="unknown"),
        pytest.param(Login(user="ada"), None, id="no password"),
        pytest.param(Login(password="correct horse"), None, id="no name"),
        pytest.param(Login(token="ada:correct horse"), ADA, id="in the token"),
        pytest.param(Login(user="bob", password="x", token="ada:correct horse"), None, id="the user counts"),
        pytest.param(Login(user="ada", password="correct horse\0"), None, id="NUL"),
        pytest.param(Login(user="ada", password="x" * 1025), None, id="too long"),
        pytest.param(Login(user="ada", password="\udcff"), None, id="no UTF-8"),
        pytest.param(Login(user="\udcff", password="x"), None, id="a name that is not UTF-8"),
        pytest.param(Login(user="sensor", password="x"), None, id="a user without a password"),
        pytest.param(
            Login(nkey=str(KEY), nkey_verified=True), Identity(backend="staff", name="sensor"), id="nkey"
        ),
        pytest.param(Login(nkey=str(KEY)), None, id="an nkey that is not verified"),
    ],
)
def test_a_login_is_a_user_of_the_file_or_not(path: Path, login: Login, expected: object) -> None:
    assert run(UserFile("staff", UsersSettings(file=path)), login) == [expected]


def test_a_verdict_is_remembered_for_its_time_and_logins_at_once_share_a_hash(
    path: Path, hashes: list[bytes]
) -> None:
    clock = Clock()
    backend = UserFile("staff", UsersSettings(file=path, remember=60), clock=clock)
    assert run(backend, RIGHT, RIGHT, RIGHT) == [ADA, ADA, ADA]
    assert run(backend, WRONG, WRONG) == ["the password is wrong"] * 2
    assert len(hashes) == 2
    clock.now = 59.9
    run(backend, RIGHT, WRONG)
    assert len(hashes) == 2
    clock.now = 60.1
    assert run(backend, RIGHT) == [ADA]
    assert len(hashes) == 3


def test_no_verdict_is_remembered_where_that_is_turned_off(path: Path, hashes: list[bytes]) -> None:
    backend = UserFile("staff", UsersSettings(file=path, remember=0))
    run(backend, RIGHT)
    run(backend, RIGHT)
    assert len(hashes) == 2


def test_an_unknown_name_costs_the_hash_of_a_known_one(path: Path, hashes: list[bytes]) -> None:
    backend = UserFile("staff", UsersSettings(file=path))
    run(backend, Login(user="bob", password="x"), Login(user="sensor", password="x"), WRONG)
    unknown, passwordless, known = hashes
    assert unknown == passwordless != known
    assert unknown.split(b"$")[1:4] == known.split(b"$")[1:4] == [b"argon2id", b"v=19", b"m=19456,t=2,p=1"]
    assert len(unknown) == len(known)


def test_a_flood_of_wrong_passwords_is_bounded_and_drives_no_right_one_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    backend = UserFile("staff", UsersSettings(file=path, threads=1, waiting=2))
    assert run(backend, RIGHT) == [ADA]
    monkeypatch.setattr(users, "_verify", lambda *_: waits.wait(5) and False)
    asyncio.run(_flood(backend, waits))


async def _flood(backend: UserFile, waits: threading.Event) -> None:
    tasks = [
        asyncio.create_task(backend.identify(Login(user="ada", password=f"wrong {n}"))) for n in range(4)
    ]
    await asyncio.sleep(0)
    with pytest.raises(BackendError, match=r"^too many passwords are being checked$"):
        await tasks[3]
    assert await backend.identify(RIGHT) == ADA
    waits.set()
    for task in tasks[:3]:
        with pytest.raises(Refused, match=r"^the password is wrong$"):
            await task


def test_who_gives_up_does_not_end_the_hash_of_others(path: Path) -> None:
    async def two(backend: UserFile) -> Identity | None:
        first, second = (asyncio.create_task(backend.identify(RIGHT)) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(two(UserFile("staff", UsersSettings(file=path)))) == ADA


def test_verdicts_are_bounded() -> None:
    verdicts = users._Verdicts(2)
    for name in (b"a", b"b", b"c"):
        verdicts.add(name, 10.0)
    assert [verdicts.has(name, 1.0) for name in (b"a", b"b", b"c")] == [False, True, True]
    assert verdicts.has(b"c", 10.0) is False


def replaced(path: Path, change: Callable[[str], str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(change(path.read_text()))
    fresh.chmod(0o600)
    os.replace(fresh, path)  # noqa: PTH105 - as editors do


def test_a_file_that_was_changed_is_read_again_and_its_verdicts_end(path: Path) -> None:
    clock = Clock()
    backend = UserFile("staff", UsersSettings(file=path), clock=clock)
    assert run(backend, RIGHT) == [ADA]
    replaced(path, lambda text: text.replace(HASH, hash_password("battery staple")))
    assert run(backend, RIGHT) == [ADA]  # within the second
    clock.now = 1.0
    assert run(backend, RIGHT) == ["the password is wrong"]
    replaced(path, lambda text: text.replace("[ada]", "[eve]"))
    clock.now = 2.0
    assert run(backend, Login(user="ada", password="battery staple")) == [None]


def test_a_damaged_file_is_reported_once_and_the_previous_one_stays(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    backend = UserFile("staff", UsersSettings(file=path), clock=clock)
    replaced(path, lambda text: text + "[")
    with caplog.at_level(logging.INFO, logger="seedless.serve"):
        for clock.now in (1.0, 2.0, 3.0):
            assert run(backend, RIGHT) == [ADA]
        path.unlink()
        clock.now = 4.0
        assert run(backend, RIGHT) == [ADA]
    assert [record.getMessage().replace(str(path), "PATH") for record in caplog.records] == [
        (
            "backend staff keeps the previous users: "
            "PATH: invalid initial character for a key part (at end of document)"
        ),
        "backend staff keeps the previous users: there is no file PATH",
    ]


@pytest.mark.parametrize(
    ("mode", "sentence", "hint"),
    [
        (0o604, "can be read by all", "it has hashes of passwords: chmod 640"),
        (0o620, "can be written by others", "it decides who logs in: chmod go-w"),
        (0o602, "can be written by others", "it decides who logs in: chmod go-w"),
    ],
)
def test_a_file_that_others_can_read_or_write_is_refused(
    path: Path, mode: int, sentence: str, hint: str
) -> None:
    path.chmod(mode)
    with pytest.raises(StoreError) as caught:
        UserFile("staff", UsersSettings(file=path))
    assert caught.value.message == f"{path} {sentence}"
    assert caught.value.hint == f"{hint} {path}"
    path.chmod(0o640)
    UserFile("staff", UsersSettings(file=path))


def test_a_file_that_is_not_there_is_reported_with_the_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        UserFile("staff", UsersSettings(file=tmp_path / "users.toml"))
    assert caught.value.message == f"there is no file {tmp_path}/users.toml"
    assert caught.value.hint == "seedless serve password NAME prints an entry"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("[a]\n", "a has no password and no nkey", id="neither"),
        pytest.param('[a]\npasword = "x"', "a.pasword is not known", id="unknown member"),
        pytest.param(
            '[a]\npassword = "secret"',
            "a.password is not an argon2id hash: make it with seedless serve password",
            id="a password itself",
        ),
        pytest.param(
            f'[a]\npassword = "{HASH.replace("m=19456", "m=16")}"',
            "a.password has m=16,t=2: m is from 7168 to 1048576 KiB, t from 1 to 50",
            id="weak",
        ),
        pytest.param(
            f'[a]\npassword = "{HASH.replace("m=19456", "m=9999999")}"',
            "a.password has m=9999999,t=2: m is from 7168 to 1048576 KiB, t from 1 to 50",
            id="costly",
        ),
        pytest.param(
            f'[a]\npassword = "{HASH.replace("argon2id", "argon2i")}"',
            "a.password is not an argon2id hash: make it with seedless serve password",
            id="another kind",
        ),
        pytest.param(
            f'[a]\nnkey = "{SoftwareKey(Role.ACCOUNT, bytes(32)).public_key}"',
            "a.nkey is not the public key of a user",
            id="role of a key",
        ),
        pytest.param(
            f'[a]\nnkey = "{KEY}"\n[b]\nnkey = "{KEY}"', "b.nkey is that of another user too", id="key twice"
        ),
        pytest.param(
            f'[a]\nnkey = "{KEY}"\nattributes = {{ x = 1 }}', "a.attributes.x is not text", id="attribute"
        ),
    ],
)
def test_what_is_not_right_in_the_file_is_reported_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(BadClaims) as caught:
        read_users(text.encode())
    assert caught.value.message == sentence


@pytest.mark.parametrize("password", ["", "x" * 1025, "a\0b", "\udcff"])
def test_of_an_impossible_password_no_hash_is_made(password: str) -> None:
    with pytest.raises(InvalidValue, match="a password has 1 to 1024 bytes of UTF-8, without a NUL"):
        hash_password(password)


def test_nothing_shows_a_hash_or_a_password(path: Path) -> None:
    backend = UserFile("staff", UsersSettings(file=path))
    run(backend, RIGHT)
    shown = f"{backend!r} {backend._file!r} {backend._settings!r} {RIGHT!r}"
    assert HASH not in shown
    assert "correct horse" not in shown
