"""Who is let in by name, key or nothing (S003 to S009).

What a listener opens to whoever reaches it (S024 to S028).

Each was measured on nats-server 2.15.1 by connecting to it. Not reported, since the server asks by itself:
TLS of a `cluster` or a `gateway`, where it requires a client certificate even without `verify: true`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from seedless import jwt
from seedless.claims import User
from seedless.errors import BadKey, SeedlessError
from seedless.findings import error, warning
from seedless.nats_config.server import PASSWORD, USER, block, is_true, named_system, text_of
from seedless.nats_config.source import Array, Map, Scalar, SourcePlace
from seedless.nkey import PublicKey, Role, unpack
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.findings import Finding
    from seedless.nats_config.server import ConfiguredLogin, ServerConfiguration
    from seedless.nats_config.source import Member


_SEED = re.compile(r"(?<![A-Z2-7])S[OAUNCX][A-Z2-7]{56}(?![A-Z2-7])")


def s003_user_is_no_public_key(server: ServerConfiguration) -> Iterator[Finding]:
    """A login by public key is under `nkey`, not under `user`.

    With `user: "U…"` and no password servers let in anyone who knows the public key, which is no secret:
    they ask for no signature.
    """
    authorization = block(server.configuration.root, "authorization")
    token = authorization.find("token") if authorization else None
    if token is not None and _role(text_of(token) or "") is not None:
        text = "the token is a public key, which is no secret: anyone who knows it is let in"
        yield error("S003", str(token.place), text, "list it: users = [ { nkey: U… } ]")
    for login, name in _open_logins(server):
        if _role(name) is not None:
            text = (
                f"anyone who knows the public key {name} is let in as this {login.who}, without a signature"
            )
            hint = f'write nkey: "{name}"' if login.who == "client" else "use a password, a creds file or TLS"
            yield error("S003", str(login.place_of(*USER)), text, hint)


def s004_user_has_a_password(server: ServerConfiguration) -> Iterator[Finding]:
    """A login by name has a password that is not empty.

    Without one servers let in anyone who gives the name.
    """
    for login, name in _open_logins(server):
        if _role(name) is None:
            text = (
                f"anyone who gives the name {brief(name)} is let in as this {login.who}: it has no password"
            )
            yield error("S004", str(login.place_of(*USER)), text, "use an nkey, or give it a password")


def s005_nkey_is_a_user_key(server: ServerConfiguration) -> Iterator[Finding]:
    """An `nkey` is the public key of a user, `U…`; that of an account in the configuration is `A…`.

    Servers do not start with another, nor with a user in a list who has an `nkey` and a name or a password,
    or neither `nkey` nor name.
    """
    authorization = block(server.configuration.root, "authorization")
    for login in server.logins:
        if login.who == "client" and login.entry is not authorization:
            name, password = login.text(*USER), login.text(*PASSWORD)
            if login.text("nkey") and (name or password):
                text = "an nkey does not go together with a name or a password: servers do not start"
                yield error("S005", str(login.place), text, "leave the nkey, or the name with its password")
            elif not login.text("nkey") and not name:
                text = "this user has no name and no nkey: servers do not start"
                yield error("S005", str(login.place), text, "give it one of both")
    accounts = block(server.configuration.root, "accounts")
    expected = [(login.entry, Role.USER) for login in server.logins]
    expected += [
        (account.value, Role.ACCOUNT)
        for account in (accounts.each() if accounts else ())
        if isinstance(account.value, Map)
    ]
    for entry, role in expected:
        member = entry.find("nkey")
        if member is not None and _role(text_of(member) or "") is not role:
            text = f"this nkey is not a {role.name.lower()}'s public key: servers do not start"
            yield error("S005", str(member.place), text, "a user's is U…, an account's A…")


def s006_no_seed_is_here(server: ServerConfiguration) -> Iterator[Finding]:
    """No seed is in a configuration, not even in a comment.

    Whoever reads the file has the key.
    """
    for name, text in server.configuration.files.items():
        for match in _SEED.finditer(text):
            if not _checks(match[0]):
                continue
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            message = "a seed is here: whoever reads this file has the key"
            yield error(
                "S006",
                str(SourcePlace(name, line, column)),
                message,
                "create a new key, and name its public key",
            )


def s007_clients_are_authenticated(server: ServerConfiguration) -> Iterator[Finding]:
    """A server asks clients who they are: by users, a token, accounts or an operator.

    Everyone is let in by an `authorization` block that names nobody (an empty user counts as none, even with
    a password), by an empty list of users or operators, and where the system account alone has users: clients
    without credentials then join the global account.
    """
    if asks(server):
        return
    root = server.configuration.root
    message = [member for member in map(root.find, ("authorization", "operator", "trusted_keys")) if member]
    if message:
        text = f"{message[0].key} names nobody: everyone is let in"
        yield error("S007", str(message[0].place), text, "name users, or an operator with a jwt")
    elif any(login.who == "client" for login in server.logins):
        text = "only the system account has users: everyone else is let in without credentials"
        yield error("S007", str(server.logins[0].place), text, "give another account users")
    else:
        text = "nobody is asked who they are: everyone is let in"
        yield warning("S007", str(root.place), text, "seedless server config writes what a server needs")


def asks(server: ServerConfiguration) -> bool:
    """Report whether a server asks clients for credentials."""
    root = server.configuration.root
    authorization = block(root, "authorization")
    token = text_of(authorization.find("token")) if authorization else ""
    callout = authorization is not None and block(authorization, "auth_callout")
    return bool(server.trusts or token or callout or any(map(_names_a_client, _outside(server))))


def _outside(server: ServerConfiguration) -> Iterator[ConfiguredLogin]:
    """Yield the logins of clients, but for those of a system account that the configuration defines."""
    accounts = block(server.configuration.root, "accounts")
    name = text_of(named_system(server.configuration.root)) or "$SYS"
    system = next((account for account in accounts.each() if account.key == name), None) if accounts else None
    users = system.value.find("users") if system and isinstance(system.value, Map) else None
    inside = {id(entry) for entry in users.value.items} if users and isinstance(users.value, Array) else set()
    yield from (login for login in server.logins if login.who == "client" and id(login.entry) not in inside)


def _names_a_client(login: ConfiguredLogin) -> bool:
    return bool(login.text(*USER) or login.entry.find("nkey") or login.by_certificate)


def anonymous(server: ServerConfiguration) -> bool:
    """Report whether clients without credentials are let in: none is asked, or a user is set for them."""
    return not asks(server) or bool(text_of(server.find("no_auth_user")))


def s008_no_user_without_credentials(server: ServerConfiguration) -> Iterator[Finding]:
    """No user is configured for clients that bring no credentials (`no_auth_user`, `default_sentinel`).

    They are let in as that user. Servers do not start when `no_auth_user` is together with an operator, or
    names no user of a list; nor when `default_sentinel` is without an operator, or no bearer jwt of a user.
    """
    for who, parent in (
        ("client", server.configuration.root),
        ("websocket client", block(server.configuration.root, "websocket", "ws")),
        ("MQTT client", block(server.configuration.root, "mqtt")),
    ):
        member = parent.find("no_auth_user") if parent else None
        name = text_of(member)
        if parent is None or member is None or not name:
            continue
        if problem := "" if _is_off(who, parent) else _no_auth_user_problem(server, name):
            yield error(
                "S008", str(member.place), f"no_auth_user {problem}: servers do not start", "take it out"
            )
        else:
            text = f"whoever brings nothing is let in as {who} {brief(name)}"
            yield warning("S008", str(member.place), text, "take it out unless it is meant so")
    sentinel = server.find("default_sentinel")
    if sentinel is not None and (jwt_text := text_of(sentinel)):
        if problem := _sentinel_problem(server, jwt_text):
            text = f"default_sentinel {problem}: servers do not start"
            yield error("S008", str(sentinel.place), text, "take it out")
        else:
            text = "whoever brings nothing is let in as the user of default_sentinel"
            yield warning("S008", str(sentinel.place), text, "take it out, unless an auth callout decides")


def _is_off(who: str, parent: Map) -> bool:
    """Report whether *parent* is the block of a listener without a port: servers do not look at it."""
    port = parent.find("port", "listen")
    # A websocket or MQTT block without a port is no listener: servers do not read the rest of it.
    return who != "client" and (port is None or (isinstance(port.value, Scalar) and port.value.value == 0))


def _no_auth_user_problem(server: ServerConfiguration, name: str) -> str:
    if server.operators:
        return "does not go together with an operator"
    authorization = block(server.configuration.root, "authorization")
    listed = [login for login in server.logins if login.who == "client" and login.entry is not authorization]
    named = {login.text(*USER) or login.text("nkey") for login in listed}
    return "" if name in named else f"names {brief(name)}, who is in no list of users"


def _sentinel_problem(server: ServerConfiguration, text: str) -> str:
    if not server.operators:
        return "does not go without an operator"
    try:
        body = jwt.read(text).claims.body
    except SeedlessError:
        return "is not a jwt"
    return "" if isinstance(body, User) and body.bearer_token else "is not a bearer jwt of a user"


def _open_logins(server: ServerConfiguration) -> Iterator[tuple[ConfiguredLogin, str]]:
    """Yield the logins by name without a password, with the name."""
    for login in server.logins:
        name = login.text(*USER)
        if name and not login.text(*PASSWORD) and not login.by_certificate:
            yield login, name


def _role(text: str) -> Role | None:
    try:
        return PublicKey.parse(text).role
    except BadKey:
        return None


def _checks(text: str) -> bool:
    """Report whether the checksum in *text* holds."""
    try:
        unpack(text)
    except BadKey:
        return False
    return True


RULES = (
    s003_user_is_no_public_key,
    s004_user_has_a_password,
    s005_nkey_is_a_user_key,
    s006_no_seed_is_here,
    s007_clients_are_authenticated,
    s008_no_user_without_credentials,
)


_LISTEN = ("listen", "port", "host", "net")
_LEAF = ("leafnodes", "leaf")
_REMOTES = ("remotes", "gateways")
# Measured: a cluster port without authorization or TLS lets a stranger's server in, which then receives
# every message of every account.
_SERVERS = {
    ("cluster",): (
        "a server of a stranger joins the cluster, receives every message and publishes as anyone"
    ),
    ("gateway",): ("a stranger's cluster connects, and takes part in every account"),
}


def s024_servers_log_in(server: ServerConfiguration) -> Iterator[Finding]:
    """Servers that connect to a `cluster` or `gateway` port log in, with a password or a TLS certificate.

    Without `authorization` and without `tls` a server of a stranger is let in: on a cluster port it receives
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


def s025_leaf_nodes_log_in(server: ServerConfiguration) -> Iterator[Finding]:
    """Servers that connect to the `leafnodes` port log in.

    Without `authorization` of its own the port asks as the clients' port does: where clients without
    credentials are let in, so is a leaf node, which receives and publishes all that its account may.
    """
    listener = block(server.configuration.root, *_LEAF)
    if listener is None or not _listens(listener) or block(listener, "authorization"):
        return
    tls = block(listener, "tls")
    if anonymous(server) and not (tls and is_true(tls.find("verify", "verify_and_map"))):
        text = "whoever reaches the leafnodes port is let in, as clients without credentials are"
        finding = error if _is_reached(listener) else warning
        yield finding("S025", str(_place(listener)), text, "give it an authorization of its own")


def s026_monitoring_stays_inside(server: ServerConfiguration) -> Iterator[Finding]:
    """The monitoring port listens on a loopback address.

    It asks nobody who they are, and shows connections, names of users, addresses and the subjects of
    subscriptions.
    """
    root = server.configuration.root
    for member in (root.find("http", "http_port", "monitor_port"), root.find("https", "https_port")):
        if member is not None and _is_on(member) and _reach(member, root):
            text = (
                "the monitoring port requires no login: whoever reaches it sees users, addresses and subjects"
            )
            yield warning("S026", str(member.place), text, 'listen on loopback: http: "127.0.0.1:8222"')


def s027_profiling_is_off(server: ServerConfiguration) -> Iterator[Finding]:
    """There is no profiling port (`prof_port`).

    It listens on every address, asks nobody, and gives the memory and the command line of the server.
    """
    member = server.find("prof_port")
    if member is not None and _is_on(member):
        text = (
            "the profiling port requires no login and listens on every address: it shows the server's memory"
        )
        yield error("S027", str(member.place), text, "take it out when the profile has been taken")


def s028_tls_is_verified(server: ServerConfiguration) -> Iterator[Finding]:
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


def _place(listener: Map) -> SourcePlace:
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
    # By its name and not by looking it up: lint asks no network, and the machine that runs the server may
    # resolve otherwise.
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


LISTENERS_RULES = (
    s024_servers_log_in,
    s025_leaf_nodes_log_in,
    s026_monitoring_stays_inside,
    s027_profiling_is_off,
    s028_tls_is_verified,
)
