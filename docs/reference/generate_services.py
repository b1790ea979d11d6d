"""The pages `callout.md` and `issuer.md`: every member of a configuration, from the Structs that read it."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from seedless import units
from seedless.claims.jetstream import JetStreamPermissions
from seedless.serve.backends import BACKENDS
from seedless.serve.backends.oidc import ClaimNames
from seedless.serve.backends.users import UserEntry
from seedless.serve.bounds import Bounds
from seedless.serve.config import AccountKeys, CalloutConfig, Delegation, IssuerConfig, IssuerRule, Tls
from seedless.serve.rules import Condition, Responses, Rule, RulePermissions, SubjectLists
from seedless.strict_json import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

_CALLOUT_HEAD = """\
# Configuration of an auth callout

<!-- written by docs/reference/generate.py: make docs -->

`seedless serve callout FILE` reads this TOML file strictly: what is unknown, missing or of another type is an
error with its place. No secret is in it: a key is `file:/path` (mode 0600, the seed in one line), `env:NAME`
(taken out of the environment of the process), or `pkcs11:…` on a token. Whoever can write the file decides
who logs in, so it is refused where others than its owner can, or can replace it in its folder.

In operator mode, users of a file, and tokens of an OpenID provider for those who come from the web:

```toml
servers = ["nats://127.0.0.1:4222"]
mode = "operator"
creds = "/etc/seedless/callout.creds"
account = "AAFVCOWZWSJEAFOKBEBO2B4QITJ2YXN6YIYG6BUURQINVDVW4OPS3YM3"
signing-key = "file:/etc/seedless/callout.nk"
curve-key = "env:CALLOUT_CURVE_KEY"
validity = "1h"

[accounts.ORDERS]
key = "AA5WUJ54Z23KILLCUOUNAKTPBVZWKMQVO4O6EQ5GHLAERIMLLHNCS47C"
roles = { clerk = "file:/etc/seedless/orders-clerk.nk", auditor = "file:/etc/seedless/orders-auditor.nk" }

[backends.staff]
kind = "users"
file = "/etc/seedless/users.toml"

[backends.sso]
kind = "oidc"
issuer = "https://sso.example.com"
audience = ["nats"]
suffix = "@example.com"
claims = { name = "email", attributes = { groups = "realm_access.roles" } }

[[rules]]
when = { backends = ["sso"], connections = ["WEBSOCKET"], attributes = { groups = ["auditors"] } }
account = "ORDERS"
role = "auditor"
validity = "15m"

[[rules]]
when = { backends = ["staff"], networks = ["10.0.0.0/8"] }
account = "ORDERS"
role = "clerk"
```

In configuration mode one key signs all users, and permissions are in the rules; here for devices with
certificates, each with subjects of its own:

```toml
servers = ["tls://127.0.0.1:4222"]
mode = "configuration"
nkey = "/etc/seedless/callout-user.nk"
account = "AUTH"
signing-key = "file:/etc/seedless/issuer.nk"

[accounts.DEVICES]

[backends.devices]
kind = "certificate"
name = "dns"
suffix = ".devices.example.com"

[[rules]]
account = "DEVICES"

[rules.permissions]
pub = { allow = ["devices.{{name}}.>"] }
sub = { allow = ["_INBOX.>"] }
jetstream = { kv = ["settings:read"] }
```

A users file:

```toml
[ada]
password = "$argon2id$v=19$m=19456,t=2,p=1$9fPwwZ0wt7KbGzOomlfE1A$M6M8uf4w9tuBlZvn2ztvoZFzTbKQjY1M0H6vjeBQxmk"
tags = ["dept:sales"]
attributes = { groups = ["clerks"] }
```

How a login is decided: the backends are asked in their order, and the first that is responsible decides; then
the first rule that matches does. Where no backend is responsible or no rule matches, the login is refused. A
rule that matches and cannot be filled refuses too.

Name the backends that cost little first: `users` computes a hash, some 11 ms and 19 MiB, for a name that it
does not have too, so that its answers do not show which names there are. A verdict on a password is
remembered for `remember`, as a digest under a random key of the process; a change of the file ends it.

`{{name}}`, `{{backend}}` and `{{attribute}}` are filled with values of the identity; an attribute of
several values gives each of them in `tags` and subjects. What goes into the name, the value of a tag, or a
subject is one token of a subject: a value with `.`, `*`, `>`, a brace or a blank refuses the login. An e-mail
address or a DNS name becomes one token by `suffix`, which every name has to end with.
"""
_ISSUER_HEAD = """\
# Configuration of an issuer

<!-- written by docs/reference/generate.py: make docs -->

`seedless serve issuer FILE` reads this TOML file strictly: what is unknown, missing or of another type is an
error with its place. No secret is in it: a key is `delegated`, `file:/path` (mode 0600, the seed in one line)
or `env:NAME` (taken out of the environment of the process). Whoever can write the file decides who has users
issued, so it is refused where others than its owner can, or can replace it in its folder.

Services of the account SHOP ask for users of ORDERS, and one of its users revokes them:

```toml
servers = ["nats://127.0.0.1:4222"]
creds = "/etc/seedless/issuer.creds"
replicas = 3

[delegation]
for = "12h"
context = "acme"

[accounts.ORDERS]
key = "ABLKYHJQJ3MHEPDB4NOFMXMD24FTB2POLHHFPXSVXAIFFBQNT64N5SEG"
roles = { service = "delegated" }

[[rules]]
from = ["AC5J7Q4ZB5LXL5SP7YTM2FVK5CWQH4VXYUH5GZUDSPOQDCFAVS6AKNBV"]
endpoints = ["user", "info"]
accounts = ["ORDERS"]
roles = ["service"]
longest = "1h"

[[rules]]
from = ["AC5J7Q4ZB5LXL5SP7YTM2FVK5CWQH4VXYUH5GZUDSPOQDCFAVS6AKNBV"]
users = ["UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"]
endpoints = ["revoke"]
accounts = ["ORDERS"]
```

An account has `key` and `roles`, no `signing-key`, and no key on a token, which signs a few jwts a second. A
request is allowed if one rule allows all of it. SIGHUP reads the file again; `listen`, `subject`, `stream`,
`stream-subject`, `replicas` and `[delegation]` stay as they were at the start.
"""
_CALLOUT: tuple[tuple[str, type], ...] = (
    ("The file", CalloutConfig),
    ("`[accounts.NAME]`", AccountKeys),
    *((f'`[backends.NAME]` with `kind = "{kind.__struct_config__.tag}"`', kind) for kind in BACKENDS),
    ("`claims` of the kind `oidc`", ClaimNames),
    ("`[[rules]]`", Rule),
    ("`when`: the condition of a rule", Condition),
    ("`permissions`", RulePermissions),
    ("`pub` and `sub`", SubjectLists),
    ("`resp`", Responses),
    ("`[bounds]`", Bounds),
    ("`[tls]`", Tls),
    ("`[delegation]`", Delegation),
    ("An entry of a users file", UserEntry),
)
_ISSUER: tuple[tuple[str, type], ...] = (
    ("The file", IssuerConfig),
    ("`[accounts.NAME]`", AccountKeys),
    ("`[[rules]]`", IssuerRule),
    ("`[tls]`", Tls),
    ("`[delegation]`", Delegation),
)
_TITLES = {kind: title for title, kind in (*_CALLOUT, *_ISSUER)}
_ELSEWHERE = {JetStreamPermissions: "[desired-state files](../howto/jetstream-permissions.md)"}
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "`true` or `false`", Path: "a path"}


def callout_page() -> str:
    """Return the page `callout.md`."""
    return _page(_CALLOUT_HEAD, _CALLOUT)


def issuer_page() -> str:
    """Return the page `issuer.md`."""
    return _page(_ISSUER_HEAD, _ISSUER)


def _page(head: str, sections: tuple[tuple[str, type], ...]) -> str:
    return "\n".join([head, *(line for title, kind in sections for line in _section(title, kind))])


def _section(title: str, kind: type) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield " ".join((inspect.getdoc(kind) or "").split())
    yield ""
    yield "| member | value | default | meaning |"
    yield "|---|---|---|---|"
    for field in msgspec.structs.fields(kind):
        inner, notes = _unwrapped(field.type)
        (meaning,) = (note.description for note in notes if isinstance(note, msgspec.Meta))
        cells = (f"`{field.encode_name}`", _value(inner, notes), _default(field, inner), meaning)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _unwrapped(kind: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401 - a type
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        return inner, tuple(notes)
    return kind, ()


def _value(kind: Any, notes: tuple[Any, ...] = ()) -> str:  # noqa: ANN401, PLR0911 - a type, and one return for each
    parsed = next((note for note in notes if isinstance(note, Parsed)), None)
    if parsed is not None:
        return parsed.words
    if get_origin(kind) is Annotated:
        return _value(*_unwrapped(kind))
    if isinstance(kind, types.UnionType) or get_origin(kind) is Union:
        options = [option for option in get_args(kind) if option is not types.NoneType]
        return " or ".join(dict.fromkeys(map(_value, options)))
    match get_origin(kind), get_args(kind):
        case origin, choices if origin is Literal:
            return ", ".join(f"`{choice}`" for choice in choices)
        case origin, (item, _) if origin is tuple:
            return f"a list: {_value(item)}"
        case origin, (_, item) if origin is dict:
            return f"a table by name: {_value(item)}"
    return _WORDS.get(kind) or _struct(kind)


def _struct(kind: type) -> str:
    if kind in _ELSEWHERE:
        return f"as in {_ELSEWHERE[kind]}"
    title = _TITLES[kind]
    tag = kind.__struct_config__.tag  # type: ignore[attr-defined]  # a Struct
    anchor = "".join(mark for mark in title.lower() if mark.isalnum() or mark in " -_").replace(" ", "-")
    return f"[`{tag}`](#{anchor})" if tag else f"[{title}](#{anchor})"


def _default(field: Any, kind: Any) -> str:  # noqa: ANN401 - a field and a type of msgspec
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    _, notes = _unwrapped(field.type)
    words = next((note.words for note in (*notes, *_unwrapped(kind)[1]) if isinstance(note, Parsed)), "")
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    if words.startswith("a duration"):
        value = units.duration(int(value * 10**9)) if value else ""
    elif words.startswith("a span"):
        value = units.span(value)
    return f"`{value}`" if isinstance(value, str | int | float) and value else ""
