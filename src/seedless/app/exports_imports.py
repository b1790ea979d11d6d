"""Exports and imports of accounts: what others may import, and what comes from others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.app.edits import Edited, edit_account
from seedless.app.key_names import names_of
from seedless.app.pipeline import Notice, Preview, no_files, preview
from seedless.claims import Account, Activation, Export, Import, ServiceLatency
from seedless.creds import decorate_jwt
from seedless.errors import BadKey, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import changed, issuing_key, resigned, revocations, revoked
from seedless.rules.places import tokens
from seedless.signing_pipeline import Signed
from seedless.subject import is_contained_in
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Exports", "Imports", "Kind", "account_key", "exported", "exported_kind", "imported", "listed"]

Kind = Literal["stream", "service"]
"""What is exported and imported: messages, or answers to requests."""

_KEY_LENGTH = 56


class RevokedActivations(msgspec.Struct, frozen=True, kw_only=True):
    """Activations of *account* (a key, or `*`) for *subject* that count no more: those issued *until* then.

    `name` is that of the account, where the store has it.
    """

    subject: str
    type: str
    account: str
    name: str | None
    until: int


class Exports:
    """What accounts export: subjects that others may import."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    def add(
        self, account: str, export: Export, *, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview *account* with a new *export*; raise `UsageError` for a subject that it exports already."""
        if not isinstance(export, Export):
            raise arguments.wrong_type("export", export, 'an Export(subject="…", type="stream")')

        def change(body: Account) -> Account:
            if any(
                (existing.type, existing.subject) == (export.type, export.subject)
                for existing in body.exports
            ):
                raise UsageError(
                    f"account {quoted(account)} exports {export.type} {quoted(export.subject)} already",
                    "seedless account export edit changes it",
                )
            return replace(body, exports=(*body.exports, export))

        return edit_account(
            self._workspace, account, change, f"export {export.type} {export.subject}", issuer
        )

    def edit(
        self,
        account: str,
        subject: str,
        change: Callable[[Export], Export],
        *,
        kind: Kind | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with what *change* makes of its export of *subject*.

        *kind* chooses, where a stream and a service have this subject. The accounts of the store that
        import it, and need an activation from now on, are in the notices. Raise `UsageError` where there is
        no such export.
        """
        workspace = self._workspace
        before = exported(account, workspace.account(account).claims.body, subject, kind)
        is_closed = change(before).token_req and not before.token_req
        notices = _importers(workspace, account, subject, "needs an activation now") if is_closed else ()

        def changed(body: Account) -> Account:
            old = exported(account, body, subject, kind)
            return with_export(body, old, change(old))

        return edit_account(workspace, account, changed, f"export {subject}", issuer, notices)

    def remove(
        self, account: str, subject: str, *, kind: Kind | None = None, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview *account* without its export of *subject*; imports of it bring nothing any more.

        The accounts of the store that import it are in the notices. Raise `UsageError` where there is none.
        """

        def change(body: Account) -> Account:
            gone = exported(account, body, subject, kind)
            return replace(body, exports=tuple(export for export in body.exports if export is not gone))

        notices = _importers(self._workspace, account, subject, "gets nothing any more")
        return edit_account(self._workspace, account, change, f"export {subject} removed", issuer, notices)

    def activate(
        self,
        account: str,
        subject: str,
        target: str,
        *,
        kind: Kind | None = None,
        expiry: Time = 0,
        start: Time = 0,
        issuer: str | PublicKey | None = None,
        output: str | Path | None = None,
    ) -> Preview[Jwt[Activation]]:
        """Preview an activation: *target* (a name, or a key) may import *subject* from *account*.

        No store keeps it: it is handed to the importing account, in the file *output* (0600) where that is
        given, which is written in the step that records. Raise `UsageError` where *account* exports
        nothing that contains *subject*.
        """
        workspace = self._workspace
        now, exporter = workspace.refresh(), workspace.account(account).claims
        key = issuing_key(exporter, workspace.known_keys(), issuer)
        found, notices = _activated_kind(exporter, subject, kind)
        own = "" if str(key) == exporter.sub else exporter.sub
        claims = Claims(
            sub=account_key(workspace, target),
            name=subject,
            body=Activation(subject=subject, import_type=found, issuer_account=own),
            exp=arguments.seconds("expiry", expiry, now),
            nbf=arguments.seconds("start", start, now),
        )
        change = changed(claims, key, replaces=None, now=now, reason=f"activation for {target}")
        around = workspace.around(claims, keys=(exporter.sub,))
        files = no_files if output is None else functools.partial(_activation_file, Path(output))
        intent = resigned(change, around, now)
        return preview(workspace, intent, lambda jwts: jwts[0], files=files, notices=notices)

    def revoke(
        self,
        account: str,
        subject: str,
        target: str,
        *,
        at: Time | None = None,
        kind: Kind | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with activations of *target* (a name, a key, or `*`) for *subject* revoked.

        Those that were issued until now, or until *at*, count no more; later ones do. Raise `UsageError` for
        a public export, which needs none.
        """
        workspace = self._workspace
        now, key = workspace.refresh(), account_or_everyone(workspace, target)
        until = None if at is None else arguments.seconds("at", at, now)
        is_reset = workspace.account(account).claims.sub in workspace.settings.reset_time

        def change(body: Account) -> Account:
            old = exported(account, body, subject, kind)
            if not old.token_req:
                raise UsageError(
                    f"the export {quoted(subject)} is public: there are no activations to revoke",
                    "seedless account export edit --private requires activations",
                )
            times = {key: until} if until else revocations(key, _activations(workspace, old), now)
            later = revoked(old.revocations, times, now, is_reset=is_reset)
            return with_export(body, old, replace(old, revocations=later))

        reason = f"revoked {subject} for {'everyone' if key == EVERYONE else target}"
        return edit_account(workspace, account, change, reason, issuer)

    def unrevoke(
        self,
        account: str,
        subject: str,
        target: str,
        *,
        kind: Kind | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with the activations of *target* for *subject* counting again."""
        key = account_or_everyone(self._workspace, target)

        def change(body: Account) -> Account:
            old = exported(account, body, subject, kind)
            if key not in old.revocations:
                whose = "everyone" if key == EVERYONE else quoted(target)
                raise UsageError(
                    f"the export {quoted(subject)} has no revocation of {whose}",
                    "seedless account export revocations lists them",
                )
            left = {user: time for user, time in old.revocations.items() if user != key}
            return with_export(body, old, replace(old, revocations=left))

        return edit_account(self._workspace, account, change, f"unrevoked {subject} for {target}", issuer)

    def revocations(
        self, account: str, subject: str | None = None, *, kind: Kind | None = None
    ) -> tuple[RevokedActivations, ...]:
        """Return whose activations are revoked, of all exports of *account* or of that of *subject*.

        Raise `UsageError` where it does not export *subject*.
        """
        body = self._workspace.account(account).claims.body
        if subject is not None:
            exported(account, body, subject, kind)
        found = [
            (export.subject, export.type, key, until)
            for export in body.exports
            if subject in {None, export.subject} and kind in {None, export.type}
            for key, until in export.revocations.items()
        ]
        names = names_of(self._workspace, {key for _, _, key, _ in found} - {EVERYONE})
        return tuple(
            RevokedActivations(subject=subject, type=kind, account=key, name=names.get(key), until=until)
            for subject, kind, key, until in found
        )


class Imports:
    """What accounts import: subjects of other accounts."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    def add(
        self, account: str, new: Import, *, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview *account* with the import *new*; its `account` is the name or the key of the exporting one.

        Without a type it is that of the export, where the store has it, else a stream. Raise `UsageError` for
        what is imported already.
        """
        if not isinstance(new, Import):
            raise arguments.wrong_type("new", new, 'an Import(account="…", subject="…")')
        source = account_key(self._workspace, new.account)
        kind = new.type or exported_kind(self._workspace, source, new.subject)
        new = replace(new, account=source, type=kind)

        def change(body: Account) -> Account:
            if any(_place(existing) == _place(new) for existing in body.imports):
                raise UsageError(
                    f"account {quoted(account)} imports {new.type} {quoted(new.subject)} from there already",
                    "seedless account import edit changes it",
                )
            return replace(body, imports=(*body.imports, new))

        return edit_account(self._workspace, account, change, f"import {new.type} {new.subject}", issuer)

    def edit(
        self,
        account: str,
        subject: str,
        change: Callable[[Import], Import],
        *,
        source: str | None = None,
        kind: Kind | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with what *change* makes of its import of *subject*, the local or the remote one.

        *source*, the name or the key of the exporting account, and *kind* choose where there are several.
        Raise `UsageError` where there is none.
        """
        exporter = None if source is None else account_key(self._workspace, source)

        def changed(body: Account) -> Account:
            old = imported(account, body, subject, exporter, kind)
            new = change(old)
            return replace(body, imports=tuple(new if entry is old else entry for entry in body.imports))

        return edit_account(self._workspace, account, changed, f"import {subject}", issuer)

    def remove(
        self,
        account: str,
        subject: str,
        *,
        source: str | None = None,
        kind: Kind | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* without its import of *subject*; the arguments are those of `edit`."""
        exporter = None if source is None else account_key(self._workspace, source)

        def change(body: Account) -> Account:
            gone = imported(account, body, subject, exporter, kind)
            return replace(body, imports=tuple(entry for entry in body.imports if entry is not gone))

        return edit_account(self._workspace, account, change, f"import {subject} removed", issuer)


def _importers(workspace: Workspace, account: str, subject: str, what: str) -> tuple[Notice, ...]:
    """Return the accounts of the store that import *subject* from *account*, of which *what* is true."""
    key = workspace.account(account).claims.sub
    return tuple(
        Notice(f"account {shown(other.claims.name)} imports {shown(subject)}, and {what}")
        for other in workspace.readable_accounts()
        if any((entry.account, entry.subject) == (key, subject) for entry in other.claims.body.imports)
    )


def account_key(workspace: Workspace, text: str) -> str:
    """Return the key, as text, of the account that *text* names: by its key, or by its name in the store."""
    try:
        key = PublicKey.parse(text)
    except BadKey as error:
        if len(text) == _KEY_LENGTH and text.startswith(Role.ACCOUNT.value):
            raise UsageError(f"{quoted(text)}: {error.message}", error.hint) from error
        return workspace.account(text).claims.sub
    if key.role is not Role.ACCOUNT:
        raise UsageError(f"{key} is not the key of an account", "name an account, or its key: A…")
    return str(key)


def account_or_everyone(workspace: Workspace, text: str) -> str:
    """Return `account_key`, or `*` for every account."""
    return text if text == EVERYONE else account_key(workspace, text)


def _activations(workspace: Workspace, export: Export) -> list[Jwt[Activation]]:
    """Return the activations for *export* that the accounts of the store have."""
    return [
        token.activation
        for jwt in workspace.readable_accounts()
        for token in tokens(jwt.claims.body)
        if token.activation is not None
        and token.activation.claims.body.import_type == export.type
        and is_contained_in(token.activation.claims.body.subject, export.subject)
    ]


def _activated_kind(
    exporter: Claims[Account], subject: str, wanted: Kind | None
) -> tuple[Kind, tuple[Notice, ...]]:
    """Return the type of the exports of *exporter* that contain *subject*, and a notice if none needs it."""
    fitting = [export for export in exporter.body.exports if is_contained_in(subject, export.subject)]
    kinds = {export.type for export in fitting if export.type}
    if wanted is None and len(kinds) != 1:
        name = quoted(exporter.name)
        if kinds:
            raise UsageError(
                f"account {name} exports {quoted(subject)} as a stream and as a service",
                "name it: --stream or --service",
            )
        raise UsageError(
            f"account {name} exports nothing that holds {quoted(subject)}",
            f"it exports: {listed(exporter.body.exports)}",
        )
    kind = wanted or kinds.pop()
    fitting = [export for export in fitting if export.type == kind]
    if not fitting or any(export.token_req for export in fitting):
        return kind, ()
    return kind, (Notice(f"the export {shown(subject)} is public: nobody needs this activation"),)


def _activation_file(path: Path, signed: Sequence[Signed]) -> Mapping[Path, str | None]:
    ((_, jwt),) = signed
    return {path: decorate_jwt(jwt)}


def listed(parts: tuple[Export, ...] | tuple[Import, ...]) -> str:
    """Return *parts* for a hint: `stream orders.>, service pay`."""
    return ", ".join(f"{part.type or 'unknown'} {part.subject}" for part in parts) or "none yet"


def exported(account: str, body: Account, subject: str, kind: str | None) -> Export:
    """Return the export of *subject*; raise `UsageError` when there is none, or a *kind* has to be given."""
    fitting = [export for export in body.exports if export.subject == subject and kind in {None, export.type}]
    if not fitting:
        raise UsageError(
            f"account {quoted(account)} exports no {f'{kind} ' if kind else ''}{quoted(subject)}",
            f"it exports: {listed(body.exports)}",
        )
    if len(fitting) > 1:
        raise UsageError(
            f"account {quoted(account)} exports {quoted(subject)} as a stream and as a service",
            "name it: --stream or --service",
        )
    return fitting[0]


def changed_export(export: Export, **members: Any) -> Export:  # noqa: ANN401 - of an export
    """Return *export* with *members*; `latency` and `sampling` are those of its latency measurements.

    Raise `UsageError` where it is not given to which subject the measurements are published.
    """
    latency = {name: members.pop(name) for name in ("latency", "sampling") if name in members}
    if latency:
        measured = export.service_latency or ServiceLatency()
        results = latency.get("latency", measured.results)
        if not results:
            raise UsageError(
                "no subject for measurements of latency is named", "name a subject with --latency SUBJECT"
            )
        sampling = latency.get("sampling", measured.sampling)
        members["service_latency"] = ServiceLatency(sampling=sampling, results=results)
    return replace(export, **members)


def activated_import(
    *, source: str | None, subject: str | None, kind: Kind | None, token: str, activation: Jwt[Any] | None
) -> Import:
    """Return the import that the arguments describe, and for those that are not given its *activation*.

    *token* is the activation as the jwt is to have it, a URL of it, or "". Raise `UsageError` where neither
    contains from which account it is, or what.
    """
    if activation is not None:
        body = activation.claims.body
        source = source or body.issuer_account or str(activation.issuer)
        subject, kind = subject or body.subject, kind or body.import_type
    if not source or not subject:
        missing = "--remote-subject" if source else "--src-account"
        raise UsageError(f"{missing} is missing", "an import names an account and its subject")
    return Import(subject=subject, account=source, type=kind or "", token=token)


def with_export(body: Account, old: Export, new: Export) -> Account:
    """Return *body* with *new* in the place of its export *old*."""
    return replace(body, exports=tuple(new if export is old else export for export in body.exports))


def imported(account: str, body: Account, subject: str, source: str | None, kind: str | None) -> Import:
    """Return the import of *subject*, the local or the remote one; raise `UsageError` for none or several."""
    fitting = [
        entry
        for entry in body.imports
        if subject in {entry.subject, entry.local_subject or entry.subject}
        and source in {None, entry.account}
        and kind in {None, entry.type}
    ]
    exact = [entry for entry in fitting if subject == (entry.local_subject or entry.subject)]
    if not fitting:
        raise UsageError(
            f"account {quoted(account)} has no such import of {quoted(subject)}",
            f"it imports: {listed(body.imports)}",
        )
    if len(fitting) > 1 and len(exact) != 1:
        raise UsageError(
            f"account {quoted(account)} imports {quoted(subject)} {len(fitting)} times",
            "name it: --src-account, --service or --stream, or the local subject",
        )
    return exact[0] if len(exact) == 1 else fitting[0]


def exported_kind(workspace: Workspace, source: str, subject: str) -> Kind:
    """Return as what *source* exports *subject*; a stream where it does both or nobody here knows."""
    account = workspace.account_with_key(source)
    exports = account.claims.body.exports if account else ()
    kinds = {export.type for export in exports if is_contained_in(subject, export.subject)}
    return "service" if kinds == {"service"} else "stream"


def _place(entry: Import) -> tuple[str, str, str, str]:
    """Return what an account has once: type, account, and both subjects of an import."""
    return entry.type, entry.account, entry.subject, entry.local_subject or entry.subject
