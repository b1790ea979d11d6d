"""What the rest of the package requires of a store.

The file `.nsc`, by which nsc and we know a folder to be a store.

A store in the layout of nsc 2.13 (`cmd/store/store.go`), so that both tools can work on one folder.

    ROOT/stores/OP/.nsc, OP.jwt, accounts/A/A.jwt, accounts/A/users/U.jwt
    ROOT/keys/creds/OP/A/U.creds
    ROOT/keys/keys/U/AB/UAB….nk

With `nsc --all-dirs ROOT` it is ROOT/OP, ROOT/creds/OP and ROOT/keys/U instead.

Every jwt is verified when it is read, and must be of the kind and the name that its place states; a damaged
file is an error that names it, and the others stay readable. A name is not a path (`names.file_name`).
Refused when writing: names too long for a file, and jwts at the place of another.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from seedless import base64url, jwt, wire
from seedless.claims import Account, Operator, User
from seedless.errors import BadJwt, SeedlessError, StoreError, UsageError
from seedless.nkey import Role
from seedless.store import atomic
from seedless.store.lock import FolderLock
from seedless.store.names import check_name, file_name, is_plain, name_of, require_storable
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey


Address = tuple[str, ...]
"""Where a jwt lies: `()` the operator, `(account,)`, `(account, user)`; names as in the claims."""


class Store(Protocol):
    """The jwts of one operator, and the creds of its users."""

    @property
    def operator(self) -> str:
        """The name of the operator."""

    @property
    def managed(self) -> bool:
        """Whether the operator's key is somebody else's."""

    def get(self, *address: str) -> Jwt[Any] | None:
        """Return the verified jwt at *address*, None if there is none; raise `StoreError` if damaged."""

    def children(self, *address: str) -> list[str]:
        """Return the names of the operator's accounts, or of the users of an account, sorted."""

    def find(self, subject: PublicKey) -> Address | None:
        """Return where the jwt lies whose subject is *subject*; damaged files are skipped."""

    def put(
        self, changes: Mapping[Address, Jwt[object] | None], extra: Mapping[Path, str | None] | None = None
    ) -> None:
        """Write *changes* and the *extra* files, None removes one: all or nothing."""

    def lock(self, waits: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """Keep all other writers out, those of the inventory too; `put` takes it by itself.

        *waits* receives a line when others have to be waited for.
        """

    def creds(self, account: str, user: str) -> bytes | None:
        """Return what the creds file of *user* holds, None if there is none; raise `StoreError`."""

    def creds_path(self, account: str, user: str) -> Path:
        """Return where the creds of *user* lie, or would."""

    def seed_path(self, public_key: PublicKey) -> Path:
        """Return where the seed of a user's or curve key lies, or would, in the key store of nsc."""


MARK_NAME = ".nsc"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What `.nsc` states, in nsc's order of members; *managed*: the operator's key is somebody else's."""

    managed: bool = False
    name: str
    kind: str = "operator"
    version: str = "1"


def mark_text(operator: str, *, managed: bool) -> str:
    """Return the text of the mark, byte for byte as nsc writes it."""
    return wire.encode(Mark(name=operator, managed=managed)).decode()


def read_mark(folder: Path) -> Mark | None:
    """Return the mark of the store *folder*, None if it has none; raise `StoreError` if it is damaged."""
    path = folder / MARK_NAME
    data = atomic.read(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Mark)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            f"{shown(path)} is damaged: {str(error)[:1].lower()}{str(error)[1:]}",
            f"it holds {mark_text('NAME', managed=False)}",
        ) from error


# An address is as long as the chain of names that leads to it: (), (account,), (account, user).
_BODIES: tuple[type, ...] = (Operator, Account, User)  # by the length of the address


STORES = "stores"
"""The folder of the stores below a root; with `nsc --all-dirs DIR` there is none, and DIR holds them."""


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


def addresses(store: Store, *roles: Role) -> Iterator[Address]:
    """Yield where the jwts of *roles* lie, of operator, accounts and users in this order; names are sorted.

    Folders are listed as they are reached, so that whoever stops early reads few.
    """
    if Role.OPERATOR in roles:
        yield ()
    if Role.ACCOUNT in roles:
        yield from ((account,) for account in store.children())
    if Role.USER in roles:
        for account in store.children():
            yield from ((account, user) for user in store.children(account))


def readable(store: Store, *roles: Role) -> Iterator[tuple[Address, jwt.Jwt[Any]]]:
    """Yield the jwts of *roles* with their addresses, in the order of `addresses`, without damaged ones."""
    for address in addresses(store, *roles):
        try:
            found = store.get(*address)
        except SeedlessError:
            continue  # verify and lint report it
        if found is not None:
            yield address, found


class NscStore:
    """One operator's folder below *root*; a `Store`. Made by `open_store` and `create_store`."""

    __slots__ = (
        "_keys",
        "_lock",
        "_new",
        "_stores",
        "_swept",
        "_text",
        "_verified_before",
        "managed",
        "operator",
        "root",
    )

    def __init__(self, root: Path, operator: str, *, managed: bool = False, new: bool = False) -> None:
        """Take the folder of *operator*; a *new* one appears with the first `put`."""
        self.root = root
        self.operator = operator
        self.managed = managed
        self._new = new
        self._lock = FolderLock(root)
        self._swept: set[str] = set()
        self._stores = stores_of(root)
        self._keys = keys_beside(root)
        self._verified_before: dict[str, tuple[bytes, jwt.Jwt[object]]] | None = None
        self._text = os.fspath(self.folder)

    @property
    def folder(self) -> Path:
        """Where the jwts are."""
        return self._stores / existing_file(os.fspath(self._stores), self.operator)

    def get(self, *address: str) -> jwt.Jwt[Any] | None:
        """Return the verified jwt at *address*, None if there is none; raise `StoreError` if damaged.

        One newline at the end, as imported files have it, is not part of the jwt. While the lock is held, a
        file is verified once: read again, and compared with what it held then, for nsc knows no lock.
        """
        place = self._place(*address)
        data = atomic.read(place)
        if data is None:
            return None
        before = self._known(place, data)
        if before is not None:
            return before
        found = self._verified(data, place, address)
        if self._verified_before is not None:
            self._verified_before[place] = (data, found)
        return found

    def children(self, *address: str) -> list[str]:
        """Return the names of the operator's accounts, or of the users of an account, sorted."""
        place = self._place(*address)
        if address:
            files = atomic.names(f"{os.path.dirname(place)}/users") if len(address) == 1 else []
            users = (name.removesuffix(".jwt") for name in files if name.endswith(".jwt"))
            return sorted(_called(name, f"{os.path.dirname(place)}/users/{name}.jwt") for name in users)
        folders = atomic.names(f"{self._text}/accounts")
        accounts = (_called(name, f"{self._text}/accounts/{name}/{name}.jwt") for name in folders)
        return sorted(name for name in accounts if os.path.exists(self._place(name)))

    def find(self, subject: PublicKey) -> Address | None:
        """Return where the jwt lies whose subject is *subject*; damaged files are skipped."""
        text = str(subject)
        # A walk over all files: the layout of nsc knows names and no keys, and an index beside it would
        # be wrong as soon as nsc writes.
        for address in addresses(self, subject.role):
            try:
                found = self.get(*address)
            except StoreError:
                continue
            if found is not None and found.claims.sub == text:
                return address
        return None

    def put(
        self,
        changes: Mapping[Address, jwt.Jwt[object] | None],
        extra: Mapping[Path, str | None] | None = None,
    ) -> None:
        """Write *changes* and the *extra* files, None removes one: all or nothing, as file systems can.

        Raise `UsageError` when a name cannot be one of a file or a jwt is not what its address states, and
        `StoreError` when something cannot be written; then everything is as it was.
        """
        # A run that is killed between the files is run again: creds first, for what is in the store counts
        # as done; what is removed goes after what takes its place, jwts last, by which the rest is found
        # again; and the mark of a new store comes last.
        others = {os.fspath(path): text for path, text in (extra or {}).items()}
        files: dict[str, str | None] = {path: text for path, text in others.items() if text is not None}
        for address, signed in changes.items():
            if signed is not None:
                # Without a newline, as nsc writes them: it would get into configurations that nsc
                # generates.
                files[self._checked(address, signed)] = signed.text
        files |= {path: None for path, text in others.items() if text is None}
        files |= {self._place(*address): None for address, signed in changes.items() if signed is None}
        with self.lock():
            if self._new:
                files[os.fspath(self.folder / MARK_NAME)] = self._mark(changes)
            self._write(files)
            self._new = False
            for address in (item for item, signed in changes.items() if signed is None and len(item) == 1):
                # A run that was killed may have left it, and nsc takes each folder for an account.
                atomic.prune(self.path(*address).parent / "users")

    @contextmanager
    def lock(self, waits: Callable[[str], None] | None = None) -> Iterator[None]:
        """Keep all other writers below the root out; raise `StoreError` if they take too long."""
        with self._lock.held(waits) as anew:
            if not anew:
                yield
                return
            self._swept.clear()
            self._verified_before = {}
            try:
                yield
            finally:
                self._verified_before = None

    def creds(self, account: str, user: str) -> bytes | None:
        """Return what the creds file of *user* holds, None if there is none; raise `StoreError`."""
        return atomic.read(self._creds_place(account, user))

    def creds_path(self, account: str, user: str) -> Path:
        """Return where the creds of *user* lie, or would."""
        return Path(self._creds_place(account, user))

    def seed_path(self, public_key: PublicKey) -> Path:
        """Return where the seed of *public_key* lies, or would: the key store of nsc (`keys.go`)."""
        text = str(public_key)
        return Path(f"{self._keys}/keys/{text[0]}/{text[1:3]}/{text}.nk")

    def path(self, *address: str) -> Path:
        """Return the file of *address*."""
        return Path(self._place(*address))

    def _place(self, *address: str) -> str:
        # As text: a `Path` would take half of the time in which a jwt is verified.
        if "" in address:
            check_name("")
        match address:
            case ():
                return f"{self._text}/{self.folder.name}.jwt"
            case (account,):
                folder = existing_file(f"{self._text}/accounts", account)
                return f"{self._text}/accounts/{folder}/{folder}.jwt"
            case (account, user):
                users = f"{self._text}/accounts/{existing_file(f'{self._text}/accounts', account)}/users"
                return f"{users}/{existing_file(users, user, '.jwt')}.jwt"
        raise UsageError("an address is that of the operator, (account,) or (account, user)")

    def _creds_place(self, account: str, user: str) -> str:
        # As text, see `_place`: `lint` reads the creds of each user.
        *_, folder, _, file = self._place(account, user).split("/")
        operator = self._text.rpartition("/")[2]
        return f"{self._keys}/creds/{operator}/{folder}/{file.removesuffix('.jwt')}.creds"

    def _known(self, place: str, data: bytes | None) -> jwt.Jwt[object] | None:
        """Return the jwt that *data* was found to be when the file at *place* was read before."""
        before = self._verified_before.get(place) if self._verified_before is not None else None
        return before[1] if before is not None and before[0] == data else None

    def _verified(self, data: bytes, path: str, address: Address) -> jwt.Jwt[object]:
        try:
            # nsc copies imported files byte for byte, with the newline that an editor has left.
            found = jwt.read(data.decode("ascii").removesuffix("\n").removesuffix("\r"))
        except UnicodeDecodeError as error:
            raise StoreError(f"{shown(path)} is damaged: it is not ASCII", _RESTORE) from error
        except SeedlessError as error:
            raise StoreError(f"{shown(path)} is damaged: {error.message}", _RESTORE) from error
        problem = self._misplaced(address, found)
        if problem:
            raise StoreError(f"{shown(path)} {problem}", "put it where its name belongs, or import it again")
        return found

    def _misplaced(self, address: Address, found: jwt.Jwt[Any]) -> str:
        """Return what is wrong with *found* at *address*, or nothing."""
        body = _BODIES[len(address)]
        if not isinstance(found.claims.body, body):
            return f"holds {found.claims.body.kind} claims, not {body.__name__.lower()} claims"
        name = (self.operator, *address)[-1]
        # nsc trims a name when it makes a file of it.
        if found.claims.name.strip() != name:
            return f"holds the jwt of {quoted(found.claims.name)}, not of {quoted(name)}"
        return ""

    def _checked(self, address: Address, signed: jwt.Jwt[object]) -> str:
        """Return where *signed* goes, which must be what belongs there."""
        place = self._place(*address)
        for name in address or (self.operator,):
            require_storable(name)
        problem = self._misplaced(address, signed)
        if problem:
            raise UsageError(f"the address {'/'.join((self.operator, *address))} {problem}")
        data = atomic.read(place)
        before = self._known(place, data)
        other = before.claims.name.strip() if before else _name_in(data)
        # On a file system that folds case `orders` and `ORDERS` are one file: the second account would
        # silently replace the first.
        if other not in {"", (self.operator, *address)[-1]}:
            raise StoreError(
                f"{shown(place)} holds the jwt of {quoted(other)}, and nothing is put in its place",
                "some file systems take names for the same that differ in upper and lower case",
            )
        return place

    def _mark(self, changes: Mapping[Address, jwt.Jwt[Any] | None]) -> str:
        """Return the text of `.nsc`, by which nsc knows a store."""
        if () not in changes:
            raise UsageError(f"the store of {self.operator} is new and needs its operator jwt first")
        if (self.folder / MARK_NAME).exists():
            raise StoreError(f"a store of {self.operator} was created meanwhile in {shown(self.root)}")
        # nsc looks for a file of this name, and not for the operator of this name.
        return mark_text(self.folder.name, managed=self.managed)

    def _write(self, files: Mapping[str, str | None]) -> None:
        # Only folders that are written to, and only under the lock: another run may be between writing
        # and renaming.
        for folder in {os.path.dirname(path) for path in files} - self._swept:
            if f"{folder}/".startswith(f"{self.root}/"):
                atomic.sweep(folder)
                self._swept.add(folder)
        atomic.write(files)


def stores_of(root: Path) -> Path:
    """Return the folder of the stores below *root*: `stores`, or *root* itself as with `nsc --all-dirs`."""
    return root if _is_flat(root) else root / STORES


def keys_beside(root: Path) -> Path:
    """Return the folder of `keys` and `creds` below *root*: `keys`, or *root* itself as `stores_of`."""
    return root if _is_flat(root) else root / "keys"


def _is_flat(root: Path) -> bool:
    """Report whether stores lie in *root* itself: it has one, and no folder called `stores`."""
    if os.path.lexists(root / STORES):
        return False
    return any((root / file / MARK_NAME).is_file() for file in atomic.names(root))


def _called(file: str, place: str) -> str:
    """Return the name whose file is called *file*; its jwt at *place* states whether nsc has left it."""
    name = name_of(file)
    return file if name != file and _name_in(atomic.read(place)) == file else name


def _name_in(data: bytes | None) -> str:
    """Return the name that the jwt *data* states, which is not verified; nothing where it states none."""
    try:
        payload = base64url.decode_lenient((data or b"").decode("ascii").split(".")[1], "payload")
        name = msgspec.json.decode(payload, type=_Named).name
    except (IndexError, UnicodeDecodeError, BadJwt, msgspec.MsgspecError, RecursionError):
        return ""
    return name.strip()


def existing_file(folder: str, name: str, ending: str = "") -> str:
    """Return what *name* is called in *folder*, without its *ending*: by `file_name`, or as nsc left it."""
    file = file_name(name)
    if file != name and is_plain(name) and os.path.lexists(f"{folder}/{name}{ending}"):
        return name
    return file


_RESTORE = "restore it from a backup, or import it again; the rest of the store can still be used"
