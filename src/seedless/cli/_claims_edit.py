"""What the options of claims make of claims that stand: what is not given stays.

Removals come first, then what is added or set; a list keeps its order and holds nothing twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from seedless.claims import JetStreamLimits, MessageTrace, Permission, ResponsePermission
from seedless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seedless.claims import Account, Limits, Operator, Permissions, Template, User

    Permitted = Permissions | Template | User
    Options = Mapping[str, Any]

T = TypeVar("T")

LIMITS = {
    "conns": "conn",
    "leaf_conns": "leaf",
    "subscriptions": "subs",
    "exports": "exports",
    "imports": "imports",
    "data": "data",
    "payload": "payload",
    "wildcard_exports": "wildcards",
    "disallow_bearer": "disallow_bearer",
}
"""Option → member of `limits`, in the words of nsc."""
JETSTREAM = {
    "js_mem_storage": "mem_storage",
    "js_disk_storage": "disk_storage",
    "js_streams": "streams",
    "js_consumer": "consumer",
    "js_max_ack_pending": "max_ack_pending",
    "js_max_mem_stream": "mem_max_stream_bytes",
    "js_max_disk_stream": "disk_max_stream_bytes",
    "js_max_bytes_required": "max_bytes_required",
}
"""Option → member of `limits` or of a tier."""
_OFF = {name: getattr(JetStreamLimits(), name) for name in JetStreamLimits.__struct_fields__}
_BEGUN = _OFF | dict.fromkeys(
    ("streams", "consumer", "max_ack_pending", "mem_max_stream_bytes", "disk_max_stream_bytes"), -1
)
"""What a tier begins with, as nsc has it: no storage yet, and no other limit."""
_UNLIMITED = _BEGUN | {"mem_storage": -1, "disk_storage": -1}


def listed(standing: Iterable[T], added: Iterable[T] = (), removed: Iterable[T] = ()) -> tuple[T, ...]:
    """Return *standing* without *removed*, and with *added* at the end, each once."""
    gone = set(removed)
    return tuple(dict.fromkeys([*(one for one in standing if one not in gone), *added]))


def tags(standing: Sequence[str], options: Options) -> tuple[str, ...]:
    """Return the tags; new ones in lower case, as servers match them."""
    added, removed = ([_tag(text) for text in options.get(name, ())] for name in ("tag", "rm_tag"))
    kept = [text for text in standing if _tag(text) not in removed]
    return listed(kept, [text for text in added if text and text not in map(_tag, kept)])


def _tag(text: str) -> str:
    return text.strip().lower()


def permissions(standing: Permitted, options: Options) -> dict[str, Any]:
    """Return the members `pub`, `sub` and `resp`."""

    def one(side: str) -> Permission:
        was: Permission = getattr(standing, side)
        added = {
            rule: (*options.get(f"{rule}_{side}", ()), *options.get(f"{rule}_pubsub", ())) for rule in rules
        }
        return Permission(**{rule: listed(getattr(was, rule), added[rule], removed) for rule in rules})

    rules, removed = ("allow", "deny"), options.get("rm", ())
    return {"pub": one("pub"), "sub": one("sub"), "resp": _answers(standing.resp, options)}


def _answers(standing: ResponsePermission | None, options: Options) -> ResponsePermission | None:
    count, ttl = options.get("allow_pub_response"), options.get("response_ttl")
    if options.get("rm_response_perms"):
        standing = None
    if count is None and ttl is None:
        return standing
    was = standing or ResponsePermission(max=1)
    return ResponsePermission(max=was.max if count is None else count, ttl=was.ttl if ttl is None else ttl)


def user_limits(standing: User | Template, options: Options) -> dict[str, Any]:
    """Return the members that limit a user: counts, networks, times, kinds of connection, bearer."""
    members = {name: options[name] for name in ("subs", "data", "payload") if options.get(name) is not None}
    flags = {"bearer": "bearer_token", "proxy_required": "proxy_required", "locale": "times_location"}
    members |= {member: options[name] for name, member in flags.items() if options.get(name) is not None}
    gone = set(options.get("rm_time", ()))
    return members | {
        "src": listed(
            standing.src, *(_lowered(options, name) for name in ("source_network", "rm_source_network"))
        ),
        "times": listed((one for one in standing.times if one.start not in gone), options.get("time", ())),
        "allowed_connection_types": listed(
            standing.allowed_connection_types,
            *([kind.upper() for kind in options.get(name, ())] for name in ("conn_type", "rm_conn_type")),
        ),
    }


def _lowered(options: Options, name: str) -> list[str]:
    return [text.strip().lower() for text in options.get(name, ())]


def operator(standing: Operator, options: Options) -> Operator:
    """Return the body of an operator; `system_account` is a key by now."""
    members: dict[str, Any] = {
        member: options[name]
        for name, member in {
            "account_jwt_server_url": "account_server_url",
            "system_account": "system_account",
            "require_signing_keys": "strict_signing_key_usage",
            "assert_server_version": "assert_server_version",
        }.items()
        if options.get(name) is not None
    }
    if options.get("rm_account_jwt_server_url"):
        members["account_server_url"] = options.get("account_jwt_server_url") or ""
    urls = (_lowered(options, name) for name in ("service_url", "rm_service_url"))
    return replace(
        standing,
        **members,
        operator_service_urls=listed(standing.operator_service_urls, *urls),
        tags=tags(standing.tags, options),
    )


def account(standing: Account, options: Options) -> Account:
    """Return the body of an account."""
    changed = {member: options[name] for name, member in LIMITS.items() if options.get(name) is not None}
    members = {name: options[name] for name in ("description", "info_url") if options.get(name) is not None}
    if options.get("cluster_traffic") is not None:
        members["cluster_traffic"] = options["cluster_traffic"].replace("none", "")
    defaults = standing.default_permissions
    return replace(
        standing,
        **members,
        limits=jetstream(replace(standing.limits, **changed), options),
        default_permissions=replace(defaults, **permissions(defaults, options)),
        trace=_trace(standing.trace, options),
        tags=tags(standing.tags, options),
    )


def _trace(standing: MessageTrace | None, options: Options) -> MessageTrace | None:
    subject, sampling = options.get("trace_context_subject"), options.get("trace_context_sampling")
    if subject == "":
        if sampling is not None:
            raise UsageError("what is not traced is not sampled", "leave out --trace-context-sampling")
        return None
    if subject is None and sampling is not None and standing is None:
        raise UsageError("nothing is traced yet", "say where to: --trace-context-subject")
    was = standing or MessageTrace()
    if subject is not None:
        was = MessageTrace(dest=subject)
    return replace(was, sampling=sampling) if sampling is not None else was if subject else standing


def jetstream(standing: Limits, options: Options) -> Limits:
    """Return the limits of an account with what the `--js-…` options say; raise `UsageError`.

    Flat limits and tiers exclude each other (nats-io/jwt v2.8.2, `OperatorLimits.Validate`).
    """
    given = {member: options[name] for name, member in JETSTREAM.items() if options.get(name) is not None}
    tier = options.get("js_tier")
    orders = [name for name in ("js_disable", "js_enable", "rm_js_tier") if options.get(name) is not None]
    if len(orders) > 1 or (orders and (given or tier is not None)):
        name = orders[0].replace("_", "-")
        raise UsageError(f"--{name} stands alone", "leave out the other options of JetStream")
    if orders == ["js_disable"]:
        return replace(standing, **_OFF, tiered_limits={})
    if orders == ["rm_js_tier"]:
        return _without_tier(standing, options["rm_js_tier"])
    if orders == ["js_enable"]:
        if any(_of_tier(standing, options["js_enable"]).values()):
            raise UsageError(f"JetStream is on already for {_named(options['js_enable'])}", "set its limits")
        return _with_tier(standing, options["js_enable"], _UNLIMITED)
    if tier is not None and not given:
        raise UsageError(
            "--js-tier says for what, and nothing is set", "as in --js-tier 3 --js-disk-storage 10G"
        )
    if not given:
        return standing
    was = _of_tier(standing, tier or 0)
    return _with_tier(standing, tier or 0, (was if any(was.values()) else _BEGUN) | given)


def _of_tier(limits: Limits, tier: int) -> dict[str, Any]:
    held = limits if tier == 0 else limits.tiered_limits.get(f"R{tier}", JetStreamLimits())
    return {name: getattr(held, name) for name in _OFF}


def _named(tier: int) -> str:
    return f"tier R{tier}" if tier else "the account"


def _with_tier(limits: Limits, tier: int, members: Mapping[str, Any]) -> Limits:
    if tier == 0:
        if limits.tiered_limits:
            names = ", ".join(limits.tiered_limits)
            raise UsageError(
                f"the account has limits for the tiers {names}, and then none of its own",
                "say which with --js-tier, or remove them with --rm-js-tier",
            )
        return replace(limits, **members)
    if any(_of_tier(limits, 0).values()):
        raise UsageError(
            "the account has limits of JetStream that are for all tiers", "remove them first: --rm-js-tier 0"
        )
    return replace(limits, tiered_limits={**limits.tiered_limits, f"R{tier}": JetStreamLimits(**members)})


def _without_tier(limits: Limits, tier: int) -> Limits:
    if not (f"R{tier}" in limits.tiered_limits if tier else any(_of_tier(limits, 0).values())):
        raise UsageError(f"there are no limits of JetStream for {_named(tier)}", "seedless account show NAME")
    if tier == 0:
        return replace(limits, **_OFF)
    kept = {name: held for name, held in limits.tiered_limits.items() if name != f"R{tier}"}
    return replace(limits, tiered_limits=kept)
