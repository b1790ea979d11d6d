"""Create a secret and its shares, restore keys from them, check them, derive further keys.

Order of `create`: secret, keys, shares shown, all read back, import, test signature, record. Whatever ends it
before the import leaves nothing on the token. The functions with an underscore run in the process of the
secret; what they return is public.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.challenges import ChallengeJournal
from seedless.errors import NoKey, Refused, SeedlessError, TokenError, UsageError
from seedless.pin import PinSource
from seedless.pkcs11.signing import challenge
from seedless.pkcs11.uri import KeyUri
from seedless.recovery import dialogue, record, secret_process, slip39, transcript
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord, share_digest
from seedless.recovery.transcript import (
    RestoreContent,
    RestoredKey,
    RestoredToken,
    RestoreTranscript,
    UsedShare,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.recovery.secret_process import SecretProcess
    from seedless.recovery.slip39 import Share
    from seedless.seeds import SoftwareKey

SECRET_SIZES = {256: 32, 128: 16}
_THROWS = {32: 100, 16: 50}  # of a die: 2.58 bits each


def require_possible(threshold: int, count: int) -> None:
    """Raise `UsageError` unless *threshold* of *count* shares can restore a secret."""
    if not 2 <= threshold <= count <= slip39.MOST_SHARES:  # noqa: PLR2004 - one is the secret
        raise UsageError(
            f"{threshold} of {count} shares are not possible",
            f"at least 2, and at most as many as there are shares: up to {slip39.MOST_SHARES}",
        )


class TokenPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The token to import to, how to open it, the PKCS#11 module, and the journal of test signatures."""

    uri: KeyUri
    pins: PinSource
    module: Path
    last_try: bool = False
    challenges: ChallengeJournal | None = None


class NewShares(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be created; `size` is that of the secret in bytes. Raise `UsageError` for what cannot be."""

    keys: tuple[KeyName, ...]
    holders: tuple[str, ...]
    threshold: int
    size: int = 32
    has_dice: bool = False

    def __post_init__(self) -> None:
        require_possible(self.threshold, len(self.holders))
        if len({key.text for key in self.keys}) != len(self.keys):
            raise UsageError("a key is named twice", "name each key once")


class RestoreSession(msgspec.Struct, frozen=True, kw_only=True):
    """What the transcript of a restore states of its circumstances: program, people, and when it began."""

    tool: str
    present: tuple[str, ...] = ()
    clock: Callable[[], float]


class PlacedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is on the token now: its entry in the record, and its URI."""

    entry: KeyRecord
    uri: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A record, the keys of it that were imported, and why the import failed, if it did.

    `transcript` is that of a restore.
    """

    record: RecoveryRecord
    placed: tuple[PlacedKey, ...] = ()
    transcript: RestoreTranscript | None = None
    failure: SeedlessError | None = None


def find_target(place: TokenPlace) -> TokenPlace:
    """Return *place* with the URI that means its token alone; no PIN is asked.

    Raise `TokenError` for no token, and for one that takes no keys.
    """
    found: dict[str, str | None] = secret_process.looked_up(lambda: _require_takes_keys(place))
    # What else the URI has, as the source of the PIN, stays: the person gave it.
    return msgspec.structs.replace(place, uri=msgspec.structs.replace(place.uri, **found))


def create(new: NewShares, place: TokenPlace, now: int, *, allowed: Collection[str] = ()) -> Outcome:
    """Create a secret and its shares on the terminal, and import the keys; return the record of it.

    *allowed* are ways to a disk, as `secret_process.run` takes them. Where the import fails after all shares
    were read back, the outcome has the record and the `failure`: `restore` goes on.
    """
    return _outcome(secret_process.run(lambda process: _create(process, new, place, now), allowed=allowed))


def restore(
    known: RecoveryRecord,
    keys: Sequence[KeyRecord],
    place: TokenPlace,
    session: RestoreSession,
    *,
    allowed: Collection[str] = (),
) -> Outcome:
    """Restore the secret of *known* on the terminal, and import *keys* of it; each signs the transcript."""
    return _outcome(
        secret_process.run(lambda process: _restore(process, known, keys, place, session), allowed=allowed)
    )


def derive(
    known: RecoveryRecord,
    key: KeyName,
    place: TokenPlace,
    session: RestoreSession,
    *,
    allowed: Collection[str] = (),
) -> Outcome:
    """Restore the secret of *known*, and import another *key* of it; the record has it, too.

    The key signs the transcript.
    """
    if any(entry.key == key for entry in known.keys):
        raise UsageError(
            f"the record has the key {key.text} already",
            "seedless recovery restore imports it; a key that replaces it has another --index",
        )
    return _outcome(
        secret_process.run(lambda process: _derive(process, known, key, place, session), allowed=allowed)
    )


def check(
    known: RecoveryRecord, *, is_one_share: bool = False, allowed: Collection[str] = ()
) -> tuple[ShareRecord, ...]:
    """Check shares of *known* that are typed on the terminal, and return which they are.

    As many as restore the secret, whose public keys are compared with the record; or *is_one_share* alone.
    """
    numbers: list[int] = secret_process.run(
        lambda process: _check(process, known, is_one_share=is_one_share), allowed=allowed
    )
    return tuple(share for share in known.shares if share.number in numbers)


def _outcome(result: dict[str, Any]) -> Outcome:
    """Return what the process of the secret has reported."""
    known = record.parse(result["record"].encode())
    entries = {str(entry.public_key): entry for entry in known.keys}
    placed = tuple(PlacedKey(entry=entries[key], uri=uri) for key, uri in result["placed"].items())
    failure = secret_process.error_of(*result["failure"]) if "failure" in result else None
    signed = transcript.parse(result["transcript"].encode()) if "transcript" in result else None
    return Outcome(record=known, placed=placed, transcript=signed, failure=failure)


# In the process of the secret.


def _create(process: SecretProcess, new: NewShares, place: TokenPlace, now: int) -> dict[str, object]:
    _require_takes_keys(place)
    dice = dialogue.ask_dice(process.terminal, _THROWS[new.size]) if new.has_dice else b""
    secret = _new_secret(new.size, dice)
    keys = [key.derive(secret) for key in new.keys]
    identifier = secrets.randbelow(1 << 15)
    shares = slip39.split(secret, new.threshold, len(new.holders), identifier=identifier)
    _hand_out(process, shares, new.holders)
    known = RecoveryRecord(
        at=now,
        identifier=identifier,
        threshold=new.threshold,
        words=slip39.word_count(new.size),
        shares=tuple(
            ShareRecord(number=share.number + 1, holder=holder, sha256=share_digest(share))
            for share, holder in zip(shares, new.holders, strict=True)
        ),
        keys=tuple(
            KeyRecord(key=key, public_key=software.public_key)
            for key, software in zip(new.keys, keys, strict=True)
        ),
    )
    return _imported(process, known, known.keys, keys, place)


def _new_secret(size: int, dice: bytes) -> bytes:
    """Return *size* random bytes; *dice* are mixed in, and cannot make them worse."""
    return hmac.digest(os.urandom(64), dice, hashlib.sha512)[:size] if dice else os.urandom(size)


def _hand_out(process: SecretProcess, shares: Sequence[Share], holders: Sequence[str]) -> None:
    """Show each share to its holder, then have all of them read back."""
    texts = [slip39.encode(share) for share in shares]
    for number, (words, holder) in enumerate(zip(texts, holders, strict=True), 1):
        dialogue.show_share(process.terminal, words, number, holder)
    for number, (words, holder) in enumerate(zip(texts, holders, strict=True), 1):
        dialogue.read_back(process.terminal, words, number, holder)


def _restore(
    process: SecretProcess,
    known: RecoveryRecord,
    entries: Sequence[KeyRecord],
    place: TokenPlace,
    session: RestoreSession,
) -> dict[str, object]:
    _require_takes_keys(place)
    began = int(session.clock())
    secret, numbers = _typed_secret(process, known)
    keys = [entry.key.derive(secret) for entry in entries]
    signs = _Receipts(transcript.RESTORE, session, began, known, numbers)
    return _imported(process, known, entries, keys, place, signs=signs)


def _derive(
    process: SecretProcess, known: RecoveryRecord, key: KeyName, place: TokenPlace, session: RestoreSession
) -> dict[str, object]:
    _require_takes_keys(place)
    began = int(session.clock())
    secret, numbers = _typed_secret(process, known)
    software = key.derive(secret)
    entry = KeyRecord(key=key, public_key=software.public_key)
    longer = msgspec.structs.replace(known, at=began, keys=(*known.keys, entry))
    signs = _Receipts(transcript.DERIVE, session, began, longer, numbers)
    return _imported(process, longer, [entry], [software], place, signs=signs)


def _check(process: SecretProcess, known: RecoveryRecord, *, is_one_share: bool) -> list[int]:
    if is_one_share:
        share = dialogue.ask_share(process.terminal, known, "The share to check:", ())
        return [share.number + 1]
    given = _typed_shares(process, known)
    known.require_keys(slip39.combine(given))
    return [share.number + 1 for share in given]


def _typed_secret(process: SecretProcess, known: RecoveryRecord) -> tuple[bytes, frozenset[int]]:
    """Return the secret of the shares that are typed, and the numbers of these.

    Raise `Refused` unless the public keys below it are those of the record.
    """
    given = _typed_shares(process, known)
    secret = slip39.combine(given)
    known.require_keys(secret)
    return secret, frozenset(share.number + 1 for share in given)


def _typed_shares(process: SecretProcess, known: RecoveryRecord) -> list[Share]:
    given: list[Share] = []
    while len(given) < known.threshold:
        title = f"Any of the shares, {len(given) + 1} of {known.threshold} that are required:"
        given.append(dialogue.ask_share(process.terminal, known, title, given))
    return given


def _require_takes_keys(place: TokenPlace) -> dict[str, str | None]:
    """Return what the URI of the token has, as members of `KeyUri`.

    Raise `TokenError` for no token, and for one that takes no keys: before anybody has typed a word.
    """
    from seedless.pkcs11.key_creation import require_takes_keys  # in the child
    from seedless.pkcs11.module import load
    from seedless.pkcs11.token import find_token

    module = load(place.module)
    try:
        info = find_token(module, place.uri)
        require_takes_keys(module, info)
    except TokenError as error:
        if isinstance(error, NoKey) or not error.hint.startswith("instead of an import"):
            raise
        raise TokenError(
            f"{error.message}: keys that are restored cannot be put there",
            "restore on a token that takes keys, such as a YubiHSM 2 (--token); or create a new signing key "
            "on this device, and let the operator list it",
        ) from error
    uri = info.uri
    return {"token": uri.token, "serial": uri.serial, "manufacturer": uri.manufacturer, "model": uri.model}


def _imported(
    process: SecretProcess,
    known: RecoveryRecord,
    entries: Sequence[KeyRecord],
    keys: Sequence[SoftwareKey],
    place: TokenPlace,
    *,
    signs: _Receipts | None = None,
) -> dict[str, object]:
    """Import *keys*, with a test signature of each, all or none; return the record and where they are.

    With *signs* the keys sign the transcript, and what fails is raised; else it is part of the result.
    """
    placed: dict[str, str] = {}
    result: dict[str, object] = {"record": known.to_bytes().decode(), "placed": placed}
    try:
        with _opened(process, place) as token:
            process.begin_import()
            uris = _import_all(token, entries, keys, signs, result)
    except SeedlessError as error:
        if signs is not None:
            raise
        result["failure"] = [type(error).__name__, error.message, error.hint]
    else:
        placed.update(uris)
    return result


@contextmanager
def _opened(process: SecretProcess, place: TokenPlace) -> Iterator[Token]:
    from seedless.pkcs11.token import open_token  # see `_require_takes_keys`

    with process.terminal.main_screen():  # where the PIN is asked
        opening = open_token(
            place.uri,
            place.pins,
            module=place.module,
            writable=True,
            last_try=place.last_try,
            challenges=place.challenges,
        )
        with opening as token:
            yield token


class _Receipts(msgspec.Struct, frozen=True):
    """What the transcript of a restore states, but for token and keys."""

    kind: str
    session: RestoreSession
    began: int
    record: RecoveryRecord
    numbers: frozenset[int]

    def signed(self, token: Token, uris: dict[str, str]) -> RestoreTranscript:
        """Return the transcript of the keys at *uris* on *token*, signed by each of them."""
        content = RestoreContent(
            kind=self.kind,
            at=self.began,
            ended_at=max(self.began, int(self.session.clock())),
            tool=self.session.tool,
            present=self.session.present,
            record=self.record.to_bytes().decode(),
            shares=tuple(
                UsedShare(number=share.number, sha256=share.sha256)
                for share in self.record.shares
                if share.number in self.numbers
            ),
            token=RestoredToken.of(token.info),
            keys=tuple(RestoredKey(public_key=key, uri=uri) for key, uri in uris.items()),
        )
        receipts = (
            draft.complete(token.signer(draft.issuer).sign(draft.signing_input)).text
            for draft in content.drafts()
        )
        return RestoreTranscript(content=content, receipts=tuple(receipts))


def _import_all(
    token: Token,
    entries: Sequence[KeyRecord],
    keys: Sequence[SoftwareKey],
    signs: _Receipts | None,
    result: dict[str, object],
) -> dict[str, str]:
    """Import what is not there yet; where one key fails, those of this run are deleted again.

    With *signs* the transcript is added to *result*.
    """
    new: list[Key] = []
    uris: dict[str, str] = {}
    try:
        for entry, software in zip(entries, keys, strict=True):
            found = _import(token, entry, software, new)
            uri = msgspec.structs.replace(token.info.uri, object=entry.key.label, id=found.id, type="private")
            uris[str(software.public_key)] = str(uri)
        if signs is not None:
            result["transcript"] = signs.signed(token, uris).to_bytes().decode()
    except BaseException:
        for key in new:
            token.destroy(key)
        raise
    return uris


def _import(token: Token, entry: KeyRecord, software: SoftwareKey, new: list[Key]) -> Key:
    """Return the key on *token* after a test signature; one that is there already is used."""
    try:
        found = token.find(software.public_key.raw)
    except NoKey:
        found = token.import_key(software, entry.key.label)
        new.append(found)
    signer = token.signer(software.public_key)
    signer.sign(challenge("restore a key", secrets.token_bytes(32)))
    if signer.public_key != entry.public_key:
        raise Refused(f"{signer.public_key} is not the key of the record, {entry.public_key}")
    return found
