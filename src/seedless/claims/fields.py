"""One table of the members of claims that people set, limit and review: each is described here and only here.

Made from it are the options and their help, what they make of claims (`edits`), the lines of a review
(`diff`), the units of desired-state files and their JSON Schema, the limits that a policy may name, and the
page docs/reference/claims.md. Options, lines of a review and names in policies are in the order of these
tables.

The members of `OWN_COMMAND` are not in a row: they are keyed items or several members that mean one thing, so
a row could not describe them. A test finds members that are in neither.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """A number that limits: a count, or bytes. −1 is no limit; 0 lets nothing through, or is no limit either.

    `member` is its name in claims, `option` that of its option (with underscores), as in nsc; `label` is its
    name in a review, `help` what it counts. Few people need an option that `is_rare`: the help folds it.
    """

    member: str
    option: str
    label: str
    help: str
    in_bytes: bool = False
    zero_is_unlimited: bool = False
    is_rare: bool = False

    def is_unlimited(self, number: object) -> bool:
        """Return whether *number* limits nothing; no number is the default of a template, no limit."""
        return not isinstance(number, int) or number < 0 or (number == 0 and self.zero_is_unlimited)


class Flag(msgspec.Struct, frozen=True):
    """A member that is true or false; `words` are what false and true are called in a review.

    `widens`: true gives more access than false.
    """

    member: str
    option: str
    label: str
    help: str
    words: tuple[str, str] = ("off", "on")
    widens: bool = False
    is_rare: bool = False


class Text(msgspec.Struct, frozen=True):
    """A member that is text, or one of `choices`; the choice `no_choice` is written as no text at all.

    `remove` is the help of the option that removes it; where there is none, `--OPTION ""` does.
    """

    member: str
    option: str
    label: str
    help: str
    short: str = ""
    metavar: str = "TEXT"
    choices: tuple[str, ...] = ()
    no_choice: str = ""
    remove: str = ""
    is_rare: bool = False


class TextList(msgspec.Struct, frozen=True):
    """A list of texts that gives and takes no access; all are kept in lower case."""

    member: str
    option: str
    label: str
    help: str
    metavar: str
    remove: str
    short: str = ""
    is_rare: bool = False


class AllowList(msgspec.Struct, frozen=True):
    """A list of what is allowed; an empty one allows `anything`, so that the first entry narrows.

    An `entry` is text, in lower or upper case, or a span of a day, which is removed by its start.
    """

    member: str
    option: str
    label: str
    help: str
    metavar: str
    remove: str
    anything: str
    entry: Literal["lower", "upper", "span"] = "lower"
    is_rare: bool = False


Row = Limit | Flag | Text | TextList | AllowList

TAGS = TextList("tags", "tag", "tags", "A tag", "TAG", "Remove a tag")
"""Of operators, accounts and users."""

OPERATOR: tuple[Row, ...] = (
    Flag(
        "strict_signing_key_usage", "require_signing_keys", "strict signing keys",
        "Accounts are signed by signing keys alone.",
    ),
    Text(
        "account_server_url", "account_jwt_server_url", "account server url",
        "Where account jwts are pushed and pulled.",
        short="-u", metavar="URL", remove="Remove the URL for account jwts.",
    ),
    Text(
        "assert_server_version", "assert_server_version", "oldest server version",
        "Older servers do not start.", metavar="X.Y.Z",
    ),
    TextList(
        "operator_service_urls", "service_url", "service urls", "Where clients connect", "URL",
        "Remove a URL for clients", short="-n",
    ),
)  # fmt: skip
"""Members of `Operator`."""

ACCOUNT: tuple[Row, ...] = (
    Text(
        "cluster_traffic", "cluster_traffic", "cluster traffic", "Who carries it in a cluster.",
        choices=("system", "owner", "none"), no_choice="none", is_rare=True,
    ),
    Text("description", "description", "description", "What the account is for."),
    Text("info_url", "info_url", "info url", "Where it is described.", is_rare=True),
)  # fmt: skip
"""Members of `Account`."""

ACCOUNT_LIMITS: tuple[Limit | Flag, ...] = (
    Flag(
        "wildcards", "wildcard_exports", "wildcard exports", "Exports may have wildcards.",
        words=("refused", "allowed"), widens=True,
    ),
    Flag(
        "disallow_bearer", "disallow_bearer", "bearer tokens", "Refuse users with bearer tokens.",
        words=("allowed", "refused"),
    ),
    Limit("conn", "conns", "conn", "Connections"),
    Limit("leaf", "leaf_conns", "leaf", "Leaf node connections"),
    Limit("subs", "subscriptions", "subs", "Subscriptions"),
    Limit("data", "data", "data", "Bytes in all", in_bytes=True),
    Limit("payload", "payload", "payload", "Bytes of one message", in_bytes=True),
    Limit("imports", "imports", "imports", "Imports"),
    Limit("exports", "exports", "exports", "Exports"),
)  # fmt: skip
"""Members of the `Limits` of an account, beside those of JetStream."""

JETSTREAM: tuple[Limit | Flag, ...] = (
    Limit("mem_storage", "js_mem_storage", "mem storage", "JetStream: bytes in memory", in_bytes=True),
    Limit("disk_storage", "js_disk_storage", "disk storage", "JetStream: bytes on disk", in_bytes=True),
    Limit("streams", "js_streams", "streams", "JetStream: streams"),
    Limit("consumer", "js_consumer", "consumers", "JetStream: consumers"),
    Limit(
        "max_ack_pending", "js_max_ack_pending", "max ack pending", "JetStream: messages waiting for an ack",
        zero_is_unlimited=True, is_rare=True,
    ),
    Limit(
        "mem_max_stream_bytes", "js_max_mem_stream", "mem max stream bytes",
        "JetStream: bytes of a stream in memory", in_bytes=True, zero_is_unlimited=True, is_rare=True,
    ),
    Limit(
        "disk_max_stream_bytes", "js_max_disk_stream", "disk max stream bytes",
        "JetStream: bytes of a stream on disk", in_bytes=True, zero_is_unlimited=True, is_rare=True,
    ),
    Flag(
        "max_bytes_required", "js_max_bytes_required", "max bytes of a stream",
        "JetStream: streams must declare their size.", words=("not required", "required"), is_rare=True,
    ),
)  # fmt: skip
"""Members of `JetStreamLimits`, the limits of a tier, and of the `Limits` of an account without tiers."""

USER: tuple[Row, ...] = (
    Flag("bearer_token", "bearer", "bearer token", "No proof of the key at login.", widens=True),
    AllowList(
        "src", "source_network", "from addresses", "Network that logins come from", "CIDR",
        "Remove a network", anything="any address",
    ),
    AllowList(
        "times", "time", "at times", "Logins at 08:00:00-18:00:00", "START-END",
        "Remove the times that begin so", anything="any time", entry="span",
    ),
    Text(
        "times_location", "locale", "time zone", "Time zone of --time, as in Europe/Berlin.", metavar="ZONE",
        is_rare=True,
    ),
    AllowList(
        "allowed_connection_types", "conn_type", "by connections", "STANDARD, WEBSOCKET, MQTT, …",
        "TYPE", "Remove a kind of connection", anything="any connection", entry="upper",
    ),
    Flag(
        "proxy_required", "proxy_required", "proxy", "Logins come through a trusted proxy.",
        words=("not required", "required"), is_rare=True,
    ),
    Limit("subs", "subs", "subs", "Subscriptions"),
    Limit("data", "data", "data", "Bytes in all", in_bytes=True),
    Limit("payload", "payload", "payload", "Bytes of one message", in_bytes=True),
)  # fmt: skip
"""Members of `User`, and of `Template`, which gives them to the users of a scope."""

ROWS: dict[str, tuple[Row, ...]] = {
    "Operator": (*OPERATOR, TAGS),
    "Account": (*ACCOUNT, TAGS),
    "Limits": (*ACCOUNT_LIMITS, *JETSTREAM),
    "JetStreamLimits": JETSTREAM,
    "User": (*USER, TAGS),
    "Template": USER,
}
"""The rows by the Struct that has the members."""

OWN_COMMAND: dict[str, tuple[str, ...]] = {
    "Operator": ("signing_keys", "system_account"),
    "Account": (
        "imports", "exports", "limits", "signing_keys", "revocations", "default_permissions", "mappings",
        "authorization", "trace",
    ),
    "Limits": ("tiered_limits",),
    "JetStreamLimits": (),
    "User": ("pub", "sub", "resp", "issuer_account"),
    "Template": ("pub", "sub", "resp"),
}  # fmt: skip
"""Members, by their Struct, that no row describes: commands, options and lines of a review of their own."""


def limit_rows(*tables: tuple[Row, ...]) -> dict[str, Limit]:
    """Return the rows of *tables* that are limits, by member."""
    return {row.member: row for table in tables for row in table if isinstance(row, Limit)}
