"""Tokens: opened when the first key is needed, closed when the operation is over or the workspace is left.

Signatures in bulk are made by worker processes, while this one verifies and records. The PIN that has opened
a token in this process opens it for the workers too: a person is asked once.
"""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from seedless.app.token_choice import module_for, named_uri, pin_source, token_uri
from seedless.errors import ModuleError, NoKey, NoToken, TokenError, UsageError
from seedless.inventory import attestation_path
from seedless.nkey import PublicKey, Role
from seedless.pin import OnePin, asks_again, require_source, uri_pin_source
from seedless.pkcs11 import observer
from seedless.pkcs11.families import require_fits
from seedless.pkcs11.uri import KeyUri
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from seedless.app.workspace import Workspace
    from seedless.attestation import Attestation
    from seedless.change import Change
    from seedless.inventory import KeyEntry
    from seedless.jwt import Draft, Jwt
    from seedless.pending_keys import KeyCreation
    from seedless.pin import PinSource
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.policy import Policy
    from seedless.signer import Signer
    from seedless.signing_pipeline import NewKey

__all__ = [
    "MANY",
    "CachedPin",
    "OpenTokens",
    "Sessions",
    "in_bulk",
    "kept_attestation",
    "key_uri",
    "open_tokens",
]


MANY = 200
"""Drafts in a row for one token from which on a pool is quicker: its worker takes half a second to start."""


class CachedPin:
    """A `PinSource` that asks another once, and gives the same again; its repr shows nothing."""

    def __init__(self, pins: PinSource) -> None:
        """Take whom to ask."""
        self._pins = pins
        self._pin: str | None = None

    def pin(self, token: str, tries: str) -> str | None:
        """Return the PIN."""
        if self._pin is None:
            self._pin = self._pins.pin(token, tries)
        return self._pin

    def again(self, why: str) -> bool:
        """Forget a PIN that was not accepted, and return whether whom it asked may give another."""
        self._pin = None
        return asks_again(self._pins, why)

    def __repr__(self) -> str:
        return "CachedPin()"


def in_bulk(
    workspace: Workspace, place: tuple[Path, KeyUri], pins: PinSource, drafts: Iterable[Draft[object]]
) -> Iterator[Jwt[object]]:
    """Yield the jwts of *drafts*, in their order, signed on the token at *place*: its module and URI."""
    from seedless.pkcs11.isolation.pool import open_pool  # only where many are signed

    settings = workspace.settings
    opening = open_pool(
        place[1],
        pins,
        module=place[0],
        workers=settings.jobs or 1,
        last_try=settings.last_try,
        allow_extractable=[PublicKey.parse(key) for key in settings.allow_extractable],
        challenges=workspace.challenge_journal,
    )
    ahead: dict[int, Jwt[object]] = {}
    wanted = 0
    with opening as pool:
        for at, jwt in pool.complete_all(drafts):
            ahead[at] = jwt
            while wanted in ahead:
                yield ahead.pop(wanted)
                wanted += 1


def kept_attestation(
    workspace: Workspace, policy: Policy | None, public_key: PublicKey
) -> Attestation | None:
    """Return what the certificates beside the inventory attest of *public_key* under *policy*; asks no token.

    None where *policy* pins no root, or requires no attestation and there is none; else raise `Refused`.
    """
    if policy is None or policy.attestation is None:
        return None
    from seedless.policy import attestation_of  # only where a policy is pinned

    pem = atomic.read(attestation_path(workspace.root, public_key))
    return attestation_of(policy, public_key, pem, workspace.now)


class Sessions:
    """Tokens that are open, each once, and the PINs that opened them; `close` closes and forgets all of them.

    A workspace that was entered keeps one of these, otherwise each operation has its own.
    """

    __slots__ = ("_stack", "infos", "meant", "opened", "pins")

    def __init__(self) -> None:
        """Open nothing yet."""
        self._stack = ExitStack()
        self.opened: dict[tuple[Path, str, bool], Token] = {}  # module, URI, writable
        self.pins: dict[tuple[Path, str], CachedPin] = {}
        self.infos: dict[tuple[Path, KeyUri], TokenInfo] = {}
        self.meant: dict[tuple[KeyUri, bool], tuple[Path, TokenInfo, KeyUri]] = {}

    def keep(self, place: tuple[Path, str, bool], opening: AbstractContextManager[Token]) -> Token:
        """Return the token that *opening* gives, open until `close`."""
        token = self.opened[place] = self._stack.enter_context(opening)
        return token

    def close(self) -> None:
        """Close all tokens; whoever asks again opens them anew."""
        # First: a session whose closing has failed must not be handed out again.
        self.opened.clear()
        self.pins.clear()
        self.infos.clear()
        self.meant.clear()
        self._stack.close()


class OpenTokens:
    """The tokens of one operation, each opened once; implements `seedless.signing_pipeline.Keys`."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        *,
        writable: bool,
        policy: Policy | None,
        changes: Iterable[Change] = (),
    ) -> None:
        """Open tokens into *sessions*, those that *policy* lets sign; *writable* to create keys.

        *changes* are what will be signed.
        """
        self._policy = policy
        self._workspace = workspace
        self._sessions = sessions
        self._writable = writable
        self._pins = pin_source(workspace)
        self._absent: dict[KeyUri, TokenError | None] = {}
        self._changes = tuple(changes)
        self.expected = len(self._changes)  # jwts that will be signed, for the bar

    def require_fits(self) -> None:
        """Raise `TokenError` for a draft that is too long for the token of its issuer; asks for no PIN."""
        # Pure Ed25519 sends the whole message into the device, and devices end at some 3 kB (YubiKey PIV
        # 3,062 bytes by ykcs11, YubiHSM 2 3,114). Their own errors come after the PIN and name no length.
        longest: dict[PublicKey, Change] = {}
        for change in self._changes:
            other = longest.setdefault(change.draft.issuer, change)
            if len(change.draft.signing_input) > len(other.draft.signing_input):
                longest[change.draft.issuer] = change
        for change in longest.values():
            info = self.located(change.draft.issuer)
            require_fits(len(change.draft.signing_input), info, f"the jwt of {change.title}")

    def located(self, public_key: PublicKey) -> TokenInfo:
        """Return the token that is asked for *public_key*, found without a PIN; raise `NoToken`."""
        uri, is_ours = self._uri_for(public_key)
        return self._token_meant(uri, is_ours=is_ours)[1]

    def _uri_for(self, public_key: PublicKey) -> tuple[KeyUri, bool]:
        """Return the token that is asked for *public_key*, and whether the person gave its URI."""
        place = self._place_of(public_key)
        return self._for_new_keys() if place is None else (place.token_part, False)

    def require_ready(self, new_keys: Iterable[NewKey]) -> None:
        """Raise `TokenError` or `PinError` for what signing needs and is not there; logs in nowhere.

        That is the module, the tokens of issuers and of *new_keys*, a PIN that they still accept, and the
        source of it, which is not read. Raise `Refused` where the policy does not let a token sign.
        """
        issuers = dict.fromkeys(change.draft.issuer for change in self._changes)
        asked = [self._uri_for(key) for key in issuers]
        infos = [self._allowed(uri, is_ours=is_ours)[1] for uri, is_ours in asked]
        makers = [self._maker(name)[1] for name in dict.fromkeys(key.token for key in new_keys)]
        _require_apart(makers)
        self._require_pins(infos + makers)

    def require_chosen(self, uris: Sequence[KeyUri]) -> list[TokenInfo]:
        """Return the tokens of *uris*, which the person chose; raise as `require_ready`, log in nowhere."""
        infos = [self._allowed(uri, is_ours=True)[1] for uri in uris]
        self._require_pins(infos)
        return infos

    def _require_pins(self, infos: Sequence[TokenInfo]) -> None:
        """Raise `PinError` where the token of one of *infos* takes no PIN, or none is to be had."""
        from seedless.pkcs11.session import require_pin_try  # see `_info`

        for info in infos:
            if info.login_required:
                require_pin_try(info, last_try=self._workspace.settings.last_try)
                if not info.protected_authentication_path:
                    require_source(self._pins)

    def _for_new_keys(self) -> tuple[KeyUri, bool]:
        """Return the token of new keys, and whether the person gave its URI: the token that is named.

        Without one it is the token of the key that signs for them, the first that the inventory knows.
        """
        if not self._workspace.settings.token:
            for change in self._changes:
                place = self._place_of(change.draft.issuer)
                if place is not None:
                    return place.token_part, False
        return named_uri(self._workspace), True

    def _maker(self, name: str) -> tuple[KeyUri, TokenInfo, bool]:
        """Return the token that creates the keys for which a person calls it *name*; raise `TokenError`."""
        from seedless.pkcs11.key_creation import require_makes_keys  # see `_info`
        from seedless.pkcs11.module import load

        uri, is_ours = (token_uri(self._workspace, name), True) if name else self._for_new_keys()
        path, info, _ = self._allowed(uri, is_ours=is_ours)
        require_makes_keys(load(path), info)
        return uri, info, is_ours

    def _place_of(self, public_key: PublicKey) -> KeyUri | None:
        """Return where *public_key* is: the first of its places whose token is connected.

        A place on the token that the person named comes before the others. None for a key that the inventory
        does not have. Raise `NoToken` where no place is connected, with the way on if it is lost.
        """
        entry = self._workspace.inventory().get(public_key)
        if entry is None:
            return None
        named = named_uri(self._workspace)
        uris = [KeyUri.parse(place.uri) for place in entry.places_left]
        uris.sort(key=lambda uri: not named.covers(uri))
        absent = []
        for uri in uris:
            error = self._absence(uri.token_part)
            if error is None:
                return uri
            absent.append(error)
        from seedless.app.backups import unreachable  # only where no token is there

        raise unreachable(self._workspace, entry, absent) from next(iter(absent), None)

    def _absence(self, uri: KeyUri) -> TokenError | None:
        """Return why the token that *uri* means cannot be used here, None where it is connected.

        Looked up once: each look at a driver's slots takes its time.
        """
        if uri not in self._absent:
            self._absent[uri] = None
            try:
                self._token_meant(uri, is_ours=False)
            except (NoToken, ModuleError) as error:
                self._absent[uri] = error
        return self._absent[uri]

    def chosen(self) -> Token:
        """Return the token that the person named, or the only one."""
        return self._open(named_uri(self._workspace), is_ours=True)

    def opened(self, uris: Sequence[KeyUri]) -> list[Token]:
        """Return the tokens of *uris*, which the person chose; each is asked for its PIN."""
        return [self._open(uri, is_ours=True) for uri in uris]

    def create(self, keys: Sequence[NewKey]) -> dict[NewKey, PublicKey]:
        """Create *keys* on the token that the person named, or their own, and register them.

        All tokens are opened before the first key is created. Raise `UsageError` where two of them are one.
        """
        creations = {name: self._creation(name) for name in dict.fromkeys(key.token for key in keys)}
        _require_apart([creation.token.info for creation in creations.values()])
        made: dict[NewKey, PublicKey] = {}
        for name, creation in creations.items():
            wanted = {msgspec.structs.replace(key, token=""): key for key in keys if key.token == name}
            created = creation.create(list(wanted))
            made |= {wanted[key]: entry.public_key for key, entry in created.items()}
        return {key: made[key] for key in keys}

    def create_and_report(self, keys: Sequence[NewKey], token: str = "") -> dict[NewKey, KeyEntry]:
        """Create *keys* on the token called *token*, or on the chosen one, and register them.

        After a kill before `reported` the next run returns the same.
        """
        return self._creation(token).create(keys, until="reported")

    def reported(self, token: str = "") -> dict[Path, str | None]:
        """Return the file with that, to be written with the report: until then the keys are pending."""
        return self._creation(token).reported()

    def info(self, token: str = "") -> TokenInfo:
        """Return the token called *token*, or the chosen one, found without a PIN; raise `NoToken`."""
        uri = token_uri(self._workspace, token) if token else named_uri(self._workspace)
        return self._token_meant(uri, is_ours=True)[1]

    def labels(self, token: str = "") -> frozenset[str]:
        """Return the labels of the keys on the token called *token*, or on the chosen one."""
        uri = token_uri(self._workspace, token) if token else named_uri(self._workspace)
        listed = self._open(uri, is_ours=True).keys()
        return frozenset(key.label for key in listed)

    def _creation(self, name: str = "") -> KeyCreation:
        """Return how keys are created on the token that a person calls *name*, or on that of new keys."""
        from seedless.pending_keys import KeyCreation  # only where keys are created

        workspace = self._workspace
        uri, _, is_ours = self._maker(name)
        return KeyCreation(
            self._open(uri, is_ours=is_ours),
            root=workspace.root,
            inventory_path=workspace.inventory_path,
            inventory=workspace.inventory,
            is_used=workspace.is_used,
            now=workspace.now,
        )

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft, signed on the token that holds the key of its issuer, verified.

        Many drafts in a row for one token are signed by worker processes, while this one does the rest.
        """
        yield from self._workspace.observer.progress(self._signed(drafts), self.expected, "signed")

    def _signed(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        places: dict[PublicKey, tuple[Path, KeyUri]] = {}
        for place, run in itertools.groupby(drafts, lambda draft: self._place(draft.issuer, places)):
            left = iter(run)
            first = list(itertools.islice(left, MANY))
            if len(first) < MANY and self._workspace.settings.jobs is None:
                yield from self._one_by_one(first)
            else:
                pins = self._sessions.pins.get((place[0], str(place[1])), self._pins)
                yield from in_bulk(self._workspace, place, pins, itertools.chain(first, left))

    def _one_by_one(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        signers: dict[PublicKey, Signer] = {}
        for draft in observer.number_signatures(drafts):
            signer = signers.get(draft.issuer)
            if signer is None:
                signer = signers[draft.issuer] = self.signer(draft.issuer)
            yield draft.complete(signer.sign(draft.signing_input))

    def _place(self, issuer: PublicKey, places: dict[PublicKey, tuple[Path, KeyUri]]) -> tuple[Path, KeyUri]:
        """Return module and URI of the token that has the key of *issuer*, which may sign for it."""
        if issuer not in places:
            self._require_may_sign(issuer)
            place = self._place_of(issuer)
            uri = named_uri(self._workspace) if place is None else place.token_part
            module, _, whole = self._allowed(uri, is_ours=place is None)
            places[issuer] = (module, whole)
        return places[issuer]

    def signer(self, public_key: PublicKey) -> Signer:
        """Return the signer of *public_key*, on the token that holds it."""
        self._require_may_sign(public_key)
        allowed = str(public_key) in self._workspace.settings.allow_extractable
        place = self._place_of(public_key)
        token = self.holding(public_key)
        return token.signer(public_key, key_id=place.id if place else None, allow_extractable=allowed)

    def signer_at(self, text: str, role: Role) -> Signer:
        """Return the signer of the one key that the URI *text* names, as a key of *role*.

        Raise `NoKey` where none or several match, `Refused` where the policy does not let the token sign, or
        the key without an attestation.
        """
        uri = KeyUri.parse(text)
        token = self._open(uri.token_part, is_ours=True)
        keys = [key for key in token.keys() if uri.object in {None, key.label} and uri.id in {None, key.id}]  # noqa: SIM118 - a token is not a dict
        found = [(key.raw, key.id) for key in keys if key.raw is not None]
        if len(found) != 1:
            raise NoKey(
                f"{len(found)} keys on the token match {text}",
                "name one by object= or id=: seedless key list",
            )
        public_key = PublicKey(role, found[0][0])
        self.require_attested(public_key)
        return token.signer(public_key, key_id=found[0][1])

    def holding(self, public_key: PublicKey) -> Token:
        """Return the token with *public_key*: where the inventory has it, else the one that was named."""
        place = self._place_of(public_key)
        if place is not None:
            return self._open(place.token_part, is_ours=False)
        try:
            token = self.chosen()
            token.find(public_key)
        except NoKey as error:
            raise NoKey(
                f"it is not known where the key {public_key} is: {error.message}",
                "name its token with --token, or list what is on a token again: "
                "seedless key register --all --token URI",
            ) from error
        return token

    def _require_may_sign(self, public_key: PublicKey) -> None:
        """Raise `NoKey` for a key of another role, `Refused` for one that the policy does not let sign."""
        self._require_role(public_key)
        self.require_attested(public_key)
        self._require_recoverable(public_key)

    def _require_role(self, public_key: PublicKey) -> None:
        """Raise `NoKey` where the inventory has the raw key in another role; its label is looked at later.

        Tokens that keep no labels cannot show it, so the role is bound here too when a key is made.
        """
        entry = self._workspace.inventory().with_raw(public_key.raw)
        if entry is not None and entry.role is not public_key.role:
            raise NoKey(
                f"{public_key} is the key of an {entry.role.name.lower()} in the inventory, "
                f"{entry.public_key}, and a key has one role",
                "create a new key for the other role",
            )

    def require_attested(self, *public_keys: PublicKey) -> None:
        """Raise `Refused` for a key that the policy lets sign only with an attestation, and that has none.

        The certificates are verified again: whoever can write into the inventory attests nothing.
        """
        policy = self._policy
        if policy is None or policy.attestation is None:
            return
        from seedless.policy import is_attestation_required  # only where a policy is pinned

        for key in public_keys:
            if is_attestation_required(policy, key):
                self.attestation(key)

    def _require_recoverable(self, public_key: PublicKey) -> None:
        """Raise `Refused` where the policy requires or forbids that shares restore *public_key*."""
        if self._policy is None or self._policy.recoverable == "allowed":
            return
        from seedless.policy import require_recoverable  # only where a policy is pinned
        from seedless.recovery.kept import is_recorded

        is_kept = is_recorded(self._workspace.root, public_key)
        require_recoverable(self._policy, public_key, is_recorded=is_kept)

    def attestation(self, public_key: PublicKey) -> Attestation | None:
        """Return what the kept certificates attest of *public_key*, as `attestation_of` does."""
        return kept_attestation(self._workspace, self._policy, public_key)

    def _allowed(self, uri: KeyUri, *, is_ours: bool) -> tuple[Path, TokenInfo, KeyUri]:
        """Return what `_token_meant` does; raise `Refused` where the policy does not let the token sign."""
        module, info, whole = self._token_meant(uri, is_ours=is_ours)
        if self._policy is not None:
            from seedless.policy import refuse_token  # only where a policy is pinned

            refuse_token(self._policy, info.serial, info.where)
        return module, info, whole

    def _token_meant(self, uri: KeyUri, *, is_ours: bool) -> tuple[Path, TokenInfo, KeyUri]:
        """Return the module and the token that *uri* means, and the URI that means no other token.

        Found once, for a thousand issuers can be on one token, and a driver takes its time over slots.
        """
        known = self._sessions.meant
        found = known.get((uri, is_ours))
        if found is None:
            module = module_for(self._workspace, uri, is_ours=is_ours)
            infos = self._sessions.infos
            if (module, uri) not in infos:
                infos[module, uri] = _info(module, uri)
            info = infos[module, uri]
            found = known[uri, is_ours] = module, info, info.uri
        return found

    def _open(self, uri: KeyUri, *, is_ours: bool) -> Token:
        from seedless.pkcs11.token import open_token  # see `_info`

        module, _, whole = self._allowed(uri, is_ours=is_ours)
        place = (module, str(whole), self._writable)
        token = self._sessions.opened.get(place)
        if token is None:
            # The source in the URI of the chosen token counts already, behind the option.
            is_other = is_ours and uri != named_uri(self._workspace)
            own = uri_pin_source(uri.pin_source, is_ours=True) if is_other else None
            pins = self._sessions.pins.setdefault(place[:2], CachedPin(own or self._pins))
            last_try, journal = self._workspace.settings.last_try, self._workspace.challenge_journal
            opening = open_token(
                whole, pins, module=module, writable=self._writable, last_try=last_try, challenges=journal
            )
            token = self._sessions.keep(place, opening)
        return token


def chosen_uris(workspace: Workspace) -> tuple[KeyUri, ...]:
    """Return the URI of the token that is named, or those of all initialised tokens; asks for no PIN.

    Raise `UsageError` for several tokens and one PIN: that of one token costs another one a try.
    """
    from seedless.pkcs11.module import load  # see `_info`

    named = named_uri(workspace)
    if named != KeyUri():
        return (named,)
    tokens = load(module_for(workspace, named, is_ours=True)).tokens()
    found = [info for info in tokens if info.initialised]
    if not found[1:]:
        return (named,)
    if isinstance(pin_source(workspace), OnePin):
        raise UsageError(
            f"{len(found)} tokens are connected, and the PIN of one is not sent to others: "
            + ", ".join(info.where for info in found),
            "name one with --token, or type the PIN of each: --pin-source prompt",
        )
    return tuple(info.uri for info in found)


def _info(module: Path, uri: KeyUri) -> TokenInfo:
    """Return what *module* reports of the token that *uri* names."""
    # The binding takes longer to load than all else: who asks for help or errs does not wait for it.
    from seedless.pkcs11.module import load
    from seedless.pkcs11.token import find_token

    return find_token(load(module), uri)


def _require_apart(infos: Sequence[TokenInfo]) -> None:
    """Raise `UsageError` where two tokens for new keys are one."""
    if len({info.uri for info in infos}) < len(infos):
        raise UsageError(
            f"the spare token is {infos[0].where}, which has the other keys",
            "name another token: what is on one token is lost with it",
        )


def key_uri(token: Token, label: str, key_id: bytes) -> KeyUri:
    """Return the URI of a key on *token*, as the inventory holds it: no module, no PIN."""
    return msgspec.structs.replace(token.info.uri, object=label, id=key_id, type="private")


@contextmanager
def _sessions(workspace: Workspace) -> Iterator[Sessions]:
    """Give the sessions of *workspace*, or some that are closed at the end."""
    sessions = workspace.sessions or Sessions()
    try:
        yield sessions
    except BaseException:
        sessions.close()  # a token is dead after an error, and a PIN that was refused is not kept
        raise
    if sessions is not workspace.sessions:
        sessions.close()


@contextmanager
def open_tokens(
    workspace: Workspace,
    *,
    writable: bool = False,
    policy: Policy | None = None,
    changes: Iterable[Change] = (),
) -> Iterator[OpenTokens]:
    """Open tokens as they are needed, only those that *policy* lets sign, and close them all at the end.

    Those of a workspace that was entered stay open until it is left, or something fails. The drafts of
    *changes*, which are to be signed, are held against the tokens before any PIN is asked.
    """
    with _sessions(workspace) as sessions:
        expected = tuple(changes)
        tokens = OpenTokens(workspace, sessions, writable=writable, policy=policy, changes=expected)
        issuers = {change.draft.issuer for change in expected}
        tokens.require_attested(*(key for key in issuers if workspace.inventory().get(key)))
        tokens.require_fits()
        yield tokens
