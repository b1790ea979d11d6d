"""What a listener opens to whoever reaches it (S024 to S028).

Each was measured on nats-server 2.15.1 by connecting to it. Not reported, since the server asks by itself:
TLS of a `cluster` or a `gateway`, where it requires a client certificate even without `verify: true`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from seedless.findings import error, warning
from seedless.nats_config.logins import anonymous
from seedless.nats_config.server import PASSWORD, USER, block, is_true, text_of
from seedless.nats_config.values import Array, Map, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.findings import Finding
    from seedless.nats_config.server import Server
    from seedless.nats_config.values import Member, Place

_LISTEN = ("listen", "port", "host", "net")
_LEAF = ("leafnodes", "leaf")
_REMOTES = ("remotes", "gateways")
_SERVERS = {
    ("cluster",): ("a server of a stranger joins the cluster, hears every message and publishes as anyone"),
    ("gateway",): ("a stranger's cluster connects, and takes part in every account"),
}


def s024_servers_log_in(server: Server) -> Iterator[Finding]:
    """Servers that connect to a `cluster` or `gateway` port log in, with a password or a TLS certificate.

    Without `authorization` and without `tls` a server of a stranger is let in: on a cluster port it hears
    every message of every account. `reject_unknown_cluster` asks for a name only, which is no secret.
    """
    for names, consequence in _SERVERS.items():
        listener = block(server.configuration.root, *names)
        if listener is None or not _listens(listener) or _asks(listener):
            continue
        text = f"whoever reaches the {names[0]} port is let in: {consequence}"
        hint = "give it an authorization { user, password }, or tls with a ca_file"
        finding = error if _is_reached(listener) else warning
        yield finding("S024", str(_place(listener)), text, hint)


def s025_leaf_nodes_log_in(server: Server) -> Iterator[Finding]:
    """Servers that connect to the `leafnodes` port log in.

    Without `authorization` of its own the port asks as the clients' port does: where clients without
    credentials are let in, so is a leaf node, which hears and publishes all that its account may.
    """
    listener = block(server.configuration.root, *_LEAF)
    if listener is None or not _listens(listener) or block(listener, "authorization"):
        return
    tls = block(listener, "tls")
    if anonymous(server) and not (tls and is_true(tls.find("verify", "verify_and_map"))):
        text = "whoever reaches the leafnodes port is let in, as clients without credentials are"
        finding = error if _is_reached(listener) else warning
        yield finding("S025", str(_place(listener)), text, "give it an authorization of its own")


def s026_monitoring_stays_inside(server: Server) -> Iterator[Finding]:
    """The monitoring port listens on a loopback address.

    It asks nobody who they are, and shows connections, names of users, addresses and the subjects of
    subscriptions.
    """
    root = server.configuration.root
    for member in (root.find("http", "http_port", "monitor_port"), root.find("https", "https_port")):
        if member is not None and _is_on(member) and _reach(member, root):
            text = "the monitoring port asks nobody: whoever reaches it sees users, addresses and subjects"
            yield warning("S026", str(member.place), text, 'listen on loopback: http: "127.0.0.1:8222"')


def s027_profiling_is_off(server: Server) -> Iterator[Finding]:
    """There is no profiling port (`prof_port`).

    It listens on every address, asks nobody, and gives the memory and the command line of the server.
    """
    member = server.find("prof_port")
    if member is not None and _is_on(member):
        text = "the profiling port asks nobody and listens on every address: it shows the server's memory"
        yield error("S027", str(member.place), text, "take it out when the profile has been taken")


def s028_tls_is_verified(server: Server) -> Iterator[Finding]:
    """TLS verifies the other side, and credentials do not travel without it where they would have to.

    `insecure: true` takes every certificate: whoever is between two servers reads and changes everything.
    `no_tls: true` lets passwords and bearer jwts of websocket clients travel in plain text.
    """
    root = server.configuration.root
    for member in _insecure(root):
        text = "every certificate is taken: whoever is in between reads and changes what passes"
        yield error("S028", str(member.place), text, "take insecure out, and name the ca_file")
    websocket = block(root, "websocket", "ws")
    plain = websocket.find("no_tls") if websocket else None
    if plain is not None and websocket is not None and is_true(plain) and not block(websocket, "tls"):
        text = "websocket clients send passwords and bearer jwts in plain text"
        finding = error if _is_reached(websocket) else warning
        yield finding("S028", str(plain.place), text, "give it tls, or listen on loopback")


def _insecure(root: Map) -> Iterator[Member]:
    """Yield each `insecure: true` of TLS towards other servers, and of the resolver."""
    parents = [found for names in (("cluster",), ("gateway",), _LEAF) if (found := block(root, *names))]
    for parent in tuple(parents):
        remotes = parent.find(*_REMOTES)
        items = remotes.value.items if remotes is not None and isinstance(remotes.value, Array) else ()
        parents += [item for item in items if isinstance(item, Map)]
    blocks = [block(parent, "tls") for parent in parents] + [block(root, "resolver_tls")]
    for tls in blocks:
        member = tls.find("insecure") if tls is not None else None
        if member is not None and is_true(member):
            yield member


def _asks(listener: Map) -> bool:
    """Report whether a cluster or gateway asks servers to log in."""
    if block(listener, "tls") is not None:
        return True
    authorization = block(listener, "authorization")
    found = authorization and (text_of(authorization.find(*USER)) or text_of(authorization.find(*PASSWORD)))
    return bool(found)


def _listens(listener: Map) -> bool:
    member = listener.find("listen", "port")
    return member is not None and _is_on(member)


def _is_on(member: Member) -> bool:
    """Report whether *member* is a port or an address: port 0 is off."""
    return isinstance(member.value, Scalar) and member.value.value not in {0, ""}


def _place(listener: Map) -> Place:
    member = listener.find(*_LISTEN)
    return member.place if member is not None else listener.place


def _is_reached(listener: Map) -> bool:
    """Report whether machines other than this one reach *listener*."""
    member = listener.find("listen", "port")
    return member is None or _reach(member, listener)


def _reach(member: Member, parent: Map) -> bool:
    """Report whether other machines reach the address in *member*, or in the `host` beside a port."""
    value = member.value.value if isinstance(member.value, Scalar) else None
    host = text_of(parent.find("host", "net")) or "" if not isinstance(value, str) or ":" not in value else ""
    if isinstance(value, str) and ":" in value:
        host = value.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


RULES = (
    s024_servers_log_in,
    s025_leaf_nodes_log_in,
    s026_monitoring_stays_inside,
    s027_profiling_is_off,
    s028_tls_is_verified,
)
