"""What scopes give their users: templates as servers fill them (`claims.templates`), bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless.change import Statement
from seedless.claims import Scope, signing_key
from seedless.claims.templates import (
    FUNCTIONS,
    Filler,
    Unfillable,
    calls,
    filled,
    has_stray_braces,
    is_plain_token,
    lists,
)
from seedless.findings import Severity, error, warning
from seedless.rules.formats import cited, is_network, is_time_of_day, is_time_zone
from seedless.rules.places import permissions
from seedless.subject import is_subject
from seedless.trust import account_of, filler_of, scope_of
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.change import Change, Context
    from seedless.claims import Account, Template, User
    from seedless.claims.templates import Call
    from seedless.findings import Finding
    from seedless.jwt import Jwt

# A template of one scope may fit none of ten thousand users; the reader needs the kind of it and the
# count.
_MOST_USERS = 10  # that are named one by one

_OF_USERS = {"name": "name", "tag": "nats.tags"}  # functions, and where their value is in a user
_ONE_TOKEN = "make it one token: no dot, blank, * or >"
_OTHERS = "give them other names or tags, or the scope another template"


# server/auth.go:473-652 matches `{{2}([^}]+)}{2}`; names in any case. The library validates nothing of a
# template but that it is a subject, which `{{tag( a )}}` is not.
def c109_template_functions_exist(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A template in a scope calls a function that servers know, and its braces are in pairs.

    Servers refuse every user of a scope with any other function. Braces without their partner stay as they
    are: nobody publishes such a subject, and what was to be denied is not.
    """
    for path, template in _templates(statement):
        for place, text in _entries(path, template):
            for call in calls(text):
                if not call.function:
                    message = f"{cited(call.text)} is not a function that servers know"
                    message += ": they refuse every user of it"
                    yield error("C109", place, message, f"write {FUNCTIONS}")
            if has_stray_braces(text):
                message = f"{cited(text)} has braces that are not a template"
                yield error("C109", place, message, "write {{name()}}, or a subject without braces")


# Measured: the tag `x:>` opens everything behind the place of `{{account-tag(x)}}`.
def c110_account_fills_its_scopes(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """What a scope takes from its account, the name or a tag, is there, and is one plain token.

    Servers put it in as it is: a dot makes two tokens, `*` and `>` open what is beside it. Where there is no
    such tag, an entry of allow is dropped, and one of deny refuses every user.
    """
    filler = filler_of(None, statement.claims)
    for path, template in _templates(statement):
        for place, text in _entries(path, template):
            for call in calls(text):
                if not call.function.startswith("account-"):
                    continue
                if not filler.values(call) and ".deny[" in place:
                    message = f"the account has no tag for {cited(call.text)}: servers refuse every user"
                    yield error("C110", place, message, "give the account the tag")
                else:
                    yield from _unfit("C110", place, call, filler)


# server/auth.go: an entry of allow that does not come out as a subject is dropped; if none is left, `deny
# >` is added. An entry of deny fails the login.
def c111_no_queue_beside_templates(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A list of a scope that has a template has no entry that names a queue, nor one that is not a subject.

    Servers drop such an entry from allow, and for one in deny they refuse every user of the scope.
    """
    for path, template in _templates(statement):
        for place, entries in lists(template):
            if not any(map(calls, entries)):
                continue
            for index, text in enumerate(entries):
                if not is_subject(_emptied(text)):
                    message = f"{cited(text)} is not a subject, and a template is in the same list"
                    where = at(f"{path}.{place}", index)
                    yield error("C111", where, message, "name no queue there, or use no template")


def c112_templates_are_in_scopes(statement: Statement[Account | User], _: Context) -> Iterator[Finding]:
    """Only the permissions of a scope have templates.

    In those of a user, and in the defaults of an account, `{{name()}}` is a token like any other.
    """
    for path, text, _queue in permissions(statement.claims):
        if calls(text):
            yield warning("C112", path, f"{cited(text)} is not filled in", "give it to a scope")


def c113_scope_may_give_bearer_tokens(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A scope makes no bearer tokens in an account that does not allow them.

    Servers refuse every user of the scope.
    """
    if statement.claims.body.limits.disallow_bearer:
        for path, template in _templates(statement):
            if template.bearer_token:
                text = "the account disallows bearer tokens: servers refuse every user of the scope"
                yield error("C113", f"{path}.bearer_token", text, "give none, or allow them in the account")


def c114_scope_has_networks_and_times(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The networks, the spans of time and the time zone of a scope are such, as those of a user are.

    The official library does not look at them. Servers refuse every user of the scope.
    """
    for path, template in _templates(statement):
        for index, text in enumerate(template.src):
            if not is_network(text):
                where = at(f"{path}.src", index)
                yield error(
                    "C114",
                    where,
                    f"{cited(text)} is not a network",
                    "write 10.0.0.0/8, or 10.0.0.1/32 for one address",
                )
        for index, span in enumerate(template.times):
            for name, text in (("start", span.start), ("end", span.end)):
                if not is_time_of_day(text):
                    where = f"{at(f'{path}.times', index)}.{name}"
                    yield error("C114", where, f"{cited(text)} is not a time of day", "write 08:00:00")
        if not is_time_zone(template.times_location):
            text = f"{cited(template.times_location)} is not in the zone database of this machine"
            yield error("C114", f"{path}.times_location", text, "write Europe/Berlin; or install tzdata")


def c115_scope_names_subjects(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Each permission of a scope is a subject or, to subscribe, a subject and a queue.

    The official library does not look at them, and servers skip what is none: what was to be denied is
    not. Beside a template it is C111.
    """
    for path, template in _templates(statement):
        for place, entries in lists(template):
            for index, text in enumerate(entries if not any(map(calls, entries)) else ()):
                words = text.split(" ", 1 if place.startswith("sub") else 0)
                if not all(map(is_subject, words)):
                    where = at(f"{path}.{place}", index)
                    yield error("C115", where, f"{cited(text)} is not a subject", "write one, as orders.>")


# Several tags of one name make a product, of which servers take 4,096 at most.
def t015_scope_fills_for_the_user(statement: Statement[User], context: Context) -> Iterator[Finding]:
    """What a scope takes from its user, the name or a tag, is there, and is one plain token.

    Servers put it in as it is: the name `*`, or the tag `team:>`, opens the subjects of all others. Where
    there is no such tag, an entry of allow is dropped; one of deny refuses the user, as does a function that
    servers do not know.
    """
    account = account_of(statement.claims, statement.issuer, context.claims)
    scope = scope_of(account, statement.issuer) if account else None
    if account is None or scope is None:
        return
    filler = filler_of(statement.claims, account)
    used = (
        call
        for place, text in _entries("", scope.template)
        for call in calls(text)
        if call.function in _OF_USERS and (filler.values(call) or ".deny[" not in place)
    )
    # Each once: the name or the tag is often in the subjects of pub and of sub.
    for call in dict.fromkeys(used):
        yield from _unfit("T015", _OF_USERS[call.function], call, filler)
    refusal = filled(scope.template, filler)
    if isinstance(refusal, Unfillable):
        text = f"servers refuse it: {refusal.reason}, in {refusal.where} of its scope {cited(scope.role)}"
        yield error("T015", "", text, "change the scope, or what it takes from the user")


def changed_templates(change: Change) -> frozenset[str]:
    """Return the keys (as text) of the scopes with templates that *change* of an account replaces."""
    before = change.replaces
    if before is None or change.draft.claims.body.kind != "account":
        return frozenset()
    known = {signing_key(entry): entry for entry in before.claims.body.signing_keys}
    return frozenset(
        entry.key
        for entry in change.draft.claims.body.signing_keys
        if isinstance(entry, Scope)
        and known.get(entry.key) != entry
        and any(calls(text) for _, text in _entries("", entry.template))
    )


def template_mismatches(change: Change, users: Iterable[Jwt[User]], context: Context) -> Iterator[Finding]:
    """Yield the errors of T015 that *change*, of an account, causes for *users* that it has issued already.

    Their jwts stay as they are, and servers fill the new template with their names and tags at once.
    """
    assert change.replaces is not None  # noqa: S101 - as of changed_templates
    sub = change.draft.claims.sub
    before, after = (
        msgspec.structs.replace(context, claims={**context.claims, sub: claims})
        for claims in (change.replaces.claims, change.draft.claims)
    )
    found: dict[str, list[Finding]] = {}
    for jwt in users:
        statement = Statement.of(jwt)
        known = list(t015_scope_fills_for_the_user(statement, before))
        for finding in t015_scope_fills_for_the_user(statement, after):
            if finding.severity is Severity.ERROR and finding not in known:
                named = msgspec.structs.replace(finding, about=statement.title)
                found.setdefault(jwt.claims.sub, []).append(named)
    for findings in list(found.values())[:_MOST_USERS]:
        yield from findings
    more = len(found) - _MOST_USERS
    if more > 0:
        rest = error("T015", "nats.signing_keys", f"so it is with {more} more users of its scopes", _OTHERS)
        yield msgspec.structs.replace(rest, about=change.title)


def t016_account_allows_bearer_tokens(statement: Statement[User], context: Context) -> Iterator[Finding]:
    """A bearer token is of an account that allows them.

    Servers refuse the login otherwise. Of a user of a scope, the scope states whether it is one.
    """
    account = account_of(statement.claims, statement.issuer, context.claims)
    if account is None or not account.body.limits.disallow_bearer:
        return
    scope = scope_of(account, statement.issuer)
    if statement.claims.body.bearer_token if scope is None else scope.template.bearer_token:
        text = f"is a bearer token, and account {cited(account.name)} disallows them"
        yield error("T016", "nats.bearer_token", text, "leave it out, or allow it in the account")


def _unfit(code: str, where: str, call: Call, filler: Filler) -> Iterator[Finding]:
    values = filler.values(call)
    if not values:
        text = f"there is no tag for {cited(call.text)} of a scope: servers drop what is permitted there"
        yield warning(code, where, text, "give it the tag")
    for value in values:
        if not is_plain_token(value):
            text = f"{cited(value)} goes into {cited(call.text)} of a scope, and is not one plain token"
            yield error(code, where, text, _ONE_TOKEN)


def _emptied(text: str) -> str:
    for call in calls(text):
        text = text.replace(call.text, "x")
    return text


def _entries(path: str, template: Template) -> Iterator[tuple[str, str]]:
    for place, entries in lists(template):
        for index, text in enumerate(entries):
            yield at(f"{path}.{place}", index), text


def _templates(statement: Statement[Account]) -> Iterator[tuple[str, Template]]:
    for index, entry in enumerate(statement.claims.body.signing_keys):
        if isinstance(entry, Scope):
            yield f"{at('nats.signing_keys', index)}.template", entry.template


ACCOUNT_RULES = (
    c109_template_functions_exist,
    c110_account_fills_its_scopes,
    c111_no_queue_beside_templates,
    c112_templates_are_in_scopes,
    c113_scope_may_give_bearer_tokens,
    c114_scope_has_networks_and_times,
    c115_scope_names_subjects,
)
"""For accounts."""

USER_RULES = (
    c112_templates_are_in_scopes,
    t015_scope_fills_for_the_user,
    t016_account_allows_bearer_tokens,
)
"""For users."""
