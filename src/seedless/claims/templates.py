"""Templates in the permissions of a scope, as nats-server fills them: `orders.{{name()}}.>`.

Measured with nats-server 2.15.1, by asking `$SYS.REQ.USER.INFO` what a user was given:

- Only scopes have templates. In a user's own permissions and in an account's defaults `{{name()}}` is a token
  of a subject like any other.
- A template is `{{`, anything without `}`, and `}}`, anywhere in an entry; blanks around the function do
  not count. `{{}}` and braces without their partner are left as they are.
- The functions are `name()`, `subject()`, `account-name()`, `account-subject()`, in any case, and `tag(x)`,
  `account-tag(x)`, in lower case but for x. **Any other refuses every user of the scope**, in allow and deny.
- `tag(x)` is what follows `x:` in each tag that begins so; case counts in the tag. Several tags, and several
  templates, give all combinations. More than 4,096 subjects of one list refuse the user.
- Values go in **as they are**: a name `a.b` is two tokens, `*` and `>` are wildcards. A value that looks like
  a template is filled if it goes in before the template that it looks like.
- What is then no subject (an empty token, a blank, `>` before the end), or has no tag, is dropped from allow
  and **refuses the user in deny**. In a list with a template this is done to every entry: one that names a
  queue is dropped from allow, and refuses the user in deny.
- An allow list that ends up empty denies everything.

What desired-state files call templates is another thing (`desired.read`).
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

import msgspec

from seedless.claims.bodies import Permission, Permissions
from seedless.subject import is_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seedless.claims.bodies import Template

MOST = 4096
"""Subjects that the templates of one list may become."""

FUNCTIONS = "name(), subject(), account-name(), account-subject(), tag(x) and account-tag(x)"
"""What a template may call, for people."""

_BRACES = re.compile(r"\{\{|\}\}")
_PLAIN = ("name", "subject", "account-name", "account-subject")
_TAGS = ("tag", "account-tag")
_NOT_PLAIN = re.compile(r"[.*>\s{}]")


class Call(msgspec.Struct, frozen=True):
    """A template in an entry: its `text`, braces included, and the function; empty if there is no such.

    `argument` is that of `tag` and `account-tag`, as servers compare it: in lower case.
    """

    text: str
    function: str
    argument: str = ""


class Filler(msgspec.Struct, frozen=True, kw_only=True):
    """What templates are filled with: names, keys (as text) and tags of a user and its account."""

    name: str
    subject: str
    tags: tuple[str, ...]
    account_name: str
    account_subject: str
    account_tags: tuple[str, ...]

    def values(self, call: Call) -> tuple[str, ...]:
        """Return what *call*, which calls a known function, is replaced by; nothing where no tag fits."""
        if call.function in _TAGS:
            prefix = f"{call.argument}:"
            tags = self.tags if call.function == "tag" else self.account_tags
            return tuple(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
        single: str = getattr(self, call.function.replace("-", "_"))
        return (single,)


class Unfillable(msgspec.Struct, frozen=True):
    """Why servers refuse a user: the `entry` of its scope, where it is (`pub.deny[0]`), and the reason."""

    where: str
    entry: str
    reason: str


def calls(entry: str) -> tuple[Call, ...]:
    """Return the templates in *entry*, in their order."""
    return tuple(_call(entry[begin:end]) for begin, end in _places(entry))


def _places(entry: str) -> Iterator[tuple[int, int]]:
    """Yield where templates are in *entry*: what `{{[^}]+}}` finds, but without trying each brace."""
    at = 0
    while (begin := entry.find("{{", at)) >= 0:
        end = entry.find("}", begin + 2)
        if end < 0:
            return
        at = end + 1
        if end > begin + 2 and entry.startswith("}}", end):
            at = end + 2
            yield begin, at


def _replaced(entry: str, value_of: Callable[[str], str]) -> str:
    """Return *entry* with *value_of* each template in its place."""
    parts, at = [], 0
    for begin, end in _places(entry):
        parts += [entry[at:begin], value_of(entry[begin:end])]
        at = end
    return "".join([*parts, entry[at:]])


def _call(text: str) -> Call:
    inner = text[2:-2].strip()
    lower = inner.lower()
    for function in _PLAIN:
        if lower == f"{function}()":
            return Call(text, function)
    for function in _TAGS:
        if lower.startswith(f"{function}(") and lower.endswith(")"):
            return Call(text, function, inner.removeprefix(f"{function}(").removesuffix(")").lower())
    return Call(text, "")


def has_stray_braces(entry: str) -> bool:
    """Return whether *entry* has `{{` or `}}` that is part of no template, and so is taken as it is."""
    return _BRACES.search(_replaced(entry, lambda _: "")) is not None


def is_plain_token(value: str) -> bool:
    """Return whether *value* is one token of a subject wherever it is put: no dot, blank, wildcard, brace."""
    return value != "" and _NOT_PLAIN.search(value) is None


def lists(template: Template) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the lists of *template*, each with its place, in the order in which servers fill them."""
    return (
        ("sub.allow", template.sub.allow),
        ("sub.deny", template.sub.deny),
        ("pub.allow", template.pub.allow),
        ("pub.deny", template.pub.deny),
    )


def filled(template: Template, filler: Filler) -> Permissions | Unfillable:
    """Return what a user is given by the scope of *template*, or why servers refuse it."""
    made: dict[str, list[str]] = {}
    for where, entries in lists(template):
        found = _filled_list(where, entries, filler)
        if isinstance(found, Unfillable):
            return found
        made[where] = found
    for side in ("sub", "pub"):
        if getattr(template, side).allow and not made[f"{side}.allow"]:
            made[f"{side}.deny"].append(">")
    pub, sub = (
        Permission(allow=tuple(made[f"{side}.allow"]), deny=tuple(made[f"{side}.deny"]))
        for side in ("pub", "sub")
    )
    return Permissions(pub=pub, sub=sub, resp=template.resp)


def _filled_list(where: str, entries: Sequence[str], filler: Filler) -> list[str] | Unfillable:
    if not any(map(calls, entries)):
        return list(entries)
    strict = where.endswith("deny")
    made: list[str] = []
    for index, entry in enumerate(entries):
        found = _filled_entry(entry, filler, MOST - len(made), strict=strict)
        if isinstance(found, str):
            return Unfillable(f"{where}[{index}]", entry, found)
        made += found
    return made


def _filled_entry(entry: str, filler: Filler, most: int, *, strict: bool) -> list[str] | str:
    """Return the subjects that *entry* becomes, or why it refuses the user; *strict* are deny lists."""
    found = calls(entry)
    for call in found:
        if not call.function:
            return f"{call.text} is not a function that servers know"
        if strict and not filler.values(call):
            return f"there is no tag for {call.text}"
    values = [filler.values(call) for call in found]
    if math.prod(map(len, values)) > most:
        return f"it becomes more than {MOST} subjects"
    made = []
    for combination in itertools.product(*values):
        subject = entry
        for call, value in zip(found, combination, strict=True):
            subject = subject.replace(call.text, value)
        if is_subject(subject):
            made.append(subject)
        elif strict:
            return f"{subject!r} is not a subject"
    return made


def widest(entry: str, filler: Filler) -> tuple[str, ...]:
    """Return subjects within which *entry* of an allow list stays, whichever user the scope issues.

    Of *filler* only the account counts: names and tags of users may have any number of tokens, and be
    wildcards, so they stand for all that may follow.
    """
    known = [call for call in calls(entry) if call.function.startswith("account-")]
    made = []
    for combination in itertools.islice(itertools.product(*map(filler.values, known)), MOST):
        subject = entry
        for call, value in zip(known, combination, strict=True):
            subject = subject.replace(call.text, value)
        made.append(_widened(subject))
    return tuple(made)


def _widened(subject: str) -> str:
    tokens = _replaced(subject, lambda text: "\0" if _call(text).function == "subject" else "\1")
    kept: list[str] = []
    for token in tokens.split("."):
        if "\1" in token:
            return ".".join([*kept, ">"])
        kept.append("*" if "\0" in token else token)
    return ".".join(kept)
