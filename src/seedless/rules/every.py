"""Claims rules for several kinds: times, subjects, permissions (nats-io/jwt v2.8.2, claims.go, types.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Account, User
from seedless.findings import error, timecheck
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key
from seedless.rules.places import activations, permissions, subjects
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.findings import Finding


# claims.go:285-294. For the library a time check, which blocks only IsBlocking(true); servers ask for
# that when they load an account (server.go:2197-2211).
def c001_not_expired(statement: Statement[object], context: Context) -> Iterator[Finding]:
    """Claims have not expired.

    A server refuses an expired user at login, and cuts it off when the time comes; an expired account is
    refused with all its users.
    """
    if 0 < statement.claims.exp < context.now:
        yield timecheck("C001", "exp", "has expired", "give a later expiry")


def c002_valid_already(statement: Statement[object], context: Context) -> Iterator[Finding]:
    """Claims hold from now on, or from a time that has come.

    Until then servers refuse them as they refuse expired ones.
    """
    if statement.claims.nbf > context.now:
        yield timecheck("C002", "nbf", "does not hold yet", "wait, or give an earlier start")


# types.go:176-192. An empty subject gets this finding alone.
def c003_subject_is_not_empty(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A subject is not empty.

    Servers refuse an account or an activation with an empty subject.
    """
    hint = "write a subject, as orders.* or orders.>"
    for path, text in subjects(statement.claims):
        if not text:
            yield error("C003", path, "the subject is empty", hint)
    if isinstance(statement.claims.body, Account):
        for index, item in enumerate(statement.claims.body.imports):
            if item.local_subject and not item.subject:  # the official library states it of both
                path = f"{at('nats.imports', index)}.local_subject"
                yield error("C003", path, "is read as an empty subject", hint)


# types.go:176-192. Only 0x20 counts; tabs pass here and are C104.
def c004_subject_has_no_blank(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A subject has no blank in it.

    The protocol divides its words with blanks: nobody can publish or subscribe to such a subject.
    """
    found = [(path, text) for path, text in subjects(statement.claims) if " " in text]
    # The official library states it twice of a local subject: as a subject, and as one that renames.
    found += [place for place in found if place[0].endswith(".local_subject")]
    for path, text in found:
        yield error("C004", path, f"{cited(text)} has a blank in it", "divide tokens with dots")


def c005_subject_has_no_outer_dot(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A subject does not start or end with a dot.

    A dot divides two tokens, and neither may be empty.
    """
    for path, text in subjects(statement.claims):
        if text.startswith(".") or text.endswith("."):
            yield error("C005", path, f"{cited(text)} starts or ends with a dot", "leave the dot out")


def c006_subject_has_no_empty_token(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A subject has no two dots in a row.

    Between them would be an empty token, which matches nothing.
    """
    for path, text in subjects(statement.claims):
        if ".." in text:
            yield error("C006", path, f"{cited(text)} has two dots in a row", "leave one out")


# types.go:335-387. A queue group belongs to a subscription; in `pub` the second word would never match.
def c007_publisher_names_no_queue(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A permission to publish names a subject and no queue.

    Queues are for subscriptions: `orders.> workers` under `sub` allows the queue `workers`.
    """
    for path, text, may_queue in permissions(statement.claims):
        if not may_queue and text.count(" ") == 1:
            text_of = f"{cited(text)} names a queue, which is for subscriptions"
            yield error("C007", path, text_of, "leave the queue out, or allow it under sub")


# types.go:335-387. Split at single blanks: two blanks in a row are three words.
def c008_permission_is_one_subject(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A permission is a subject, or a subject and a queue with one blank between.

    Anything longer is a list that became one text.
    """
    for path, text, _queue in permissions(statement.claims):
        if len(text.split(" ")) not in {1, 2}:
            yield error("C008", path, f"{cited(text)} has too many blanks", "write one entry for each")


# imports.go:62-122, activation_claims.go:110-118. In an activation the member is `kind`, since `type` is
# the kind of claims there; version 1 had `type` for it.
def c009_import_type_is_known(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """An import or an activation is of a stream or of a service.

    Without a type servers do not know in which direction messages go, and refuse the account.
    """
    typed = [(f"{path}.kind", activation.import_type) for path, activation in activations(statement.claims)]
    if isinstance(statement.claims.body, Account):
        typed += [
            (f"{at('nats.imports', i)}.type", x.type) for i, x in enumerate(statement.claims.body.imports)
        ]
    for path, kind in typed:
        if not kind:
            yield error("C009", path, "does not state what is imported", "write stream or service")


# user_claims.go:125-131, activation_claims.go:110-118, authorization_claims.go:228-245.
def c010_issuer_account_is_an_account(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """A user or an activation that names the account of its issuer names an account key.

    Servers look the account up by it, and refuse what names none.
    """
    named = [(path, activation.issuer_account) for path, activation in activations(statement.claims)]
    if isinstance(statement.claims.body, User):
        named.append(("nats", statement.claims.body.issuer_account))
    for path, key in named:
        if key and not is_key(key, Role.ACCOUNT):
            text = f"{cited(key)} is not an account's public key"
            yield error("C010", f"{path}.issuer_account", text, "give the account's identity, A…")


RULES = (
    c001_not_expired,
    c002_valid_already,
)
"""For claims of every kind."""

SUBJECT_RULES = (
    c003_subject_is_not_empty,
    c004_subject_has_no_blank,
    c005_subject_has_no_outer_dot,
    c006_subject_has_no_empty_token,
)
"""For accounts, users and activations."""

PERMISSION_RULES = (
    c007_publisher_names_no_queue,
    c008_permission_is_one_subject,
)
"""For accounts and users."""

ACTIVATION_RULES = (
    c009_import_type_is_known,
    c010_issuer_account_is_an_account,
)
"""For accounts, whose imports have them, users and activations."""
