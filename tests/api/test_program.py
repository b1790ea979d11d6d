"""What a program does with a store and a token, without the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless import Export, Import, Role, SoftwareKey, read_strict
from seedless.claims import ExternalAuthorization

if TYPE_CHECKING:
    from office import Office

PROGRAM = """
from seedless import Workspace
from msgspec.structs import replace

def described(claims):
    return replace(claims, body=replace(claims.body, description="orders of the shop"))

with Workspace(**ARGUMENTS) as ws:
    acme = ws.operators.add("ACME", system_account=True, signing_key=True).sign()
    orders = ws.accounts.add("ORDERS", limits={"conn": 100}).sign()
    app = ws.users.add("ORDERS", "app", publish=["orders.>"], subscribe=["_INBOX.>"], expiry="30d").sign()
    edited = ws.accounts.edit("ORDERS", described, add_signing_keys=["generate"]).sign()
    again = ws.accounts.edit("ORDERS", described).sign()
    moved = ws.users.edit("ORDERS", "app", subscribe=["_INBOX.app.>"]).sign()
    ws.signing_keys.add("ORDERS", role="service").sign()
    scoped = ws.users.add("ORDERS", "shop", issuer="service").sign()
    revoked = ws.accounts.revoke("ORDERS", "app").sign()
    result |= {
        "operator": acme.jwt.claims.sub, "system": acme.system_user.claims.name, "creds": str(app.creds_path),
        "account": orders.text, "user": app.jwt.text, "changed": [edited.changed, again.changed],
        "description": edited.jwt.claims.body.description, "keys": len(edited.jwt.claims.body.signing_keys),
        "sub": moved.jwt.claims.body.sub.allow, "scoped": scoped.jwt.claims.body.subs,
        "revoked": list(revoked.jwt.claims.body.revocations), "names": ws.accounts.names(),
    }
"""


def test_a_program_creates_edits_and_revokes_without_click_or_stdout(office: Office) -> None:
    found = office.run(PROGRAM)
    orders, app = read_strict(found["account"]), read_strict(found["user"])
    assert found["operator"].startswith("O")
    assert (found["system"], found["names"]) == ("sys", ["ORDERS", "SYS"])
    assert (orders.claims.body.limits.conn, orders.claims.body.limits.subs) == (100, -1)
    assert app.claims.body.pub.allow == ("orders.>",)
    assert app.claims.exp - app.issued_at == 30 * 86_400
    assert (found["changed"], found["description"], found["keys"]) == ([True, False], "orders of the shop", 1)
    assert (found["sub"], found["scoped"]) == (["_INBOX.app.>"], 0)
    assert found["revoked"] == [app.claims.sub]
    assert f"{found['user']}"[:20] in (office.folder / found["creds"]).read_text()


SHARING = """
from msgspec.structs import replace
from seedless import Export, Import, Workspace

with Workspace(**ARGUMENTS) as ws:
    ws.operators.add("ACME").sign()
    for name in ("ORDERS", "BILLING"):
        ws.accounts.add(name).sign()
    ws.exports.add("ORDERS", Export(subject="orders.>", type="service")).sign()
    taken = ws.imports.add("BILLING", Import(account="ORDERS", subject="orders.>")).sign()
    closing = ws.exports.edit("ORDERS", "orders.>", lambda export: replace(export, token_req=True))
    renamed = ws.imports.edit("BILLING", "orders.>", lambda one: replace(one, local_subject="in.>")).sign()
    mapped = ws.mappings.add("ORDERS", "old.*", "new.$1", weight=90).sign()
    ws.mappings.edit("ORDERS", "old.*", "new.$1", 50).sign()
    unmapped = ws.mappings.remove("ORDERS", "old.*").sign()
    left = ws.imports.remove("BILLING", "in.>", source="ORDERS").sign()
    gone = ws.exports.remove("ORDERS", "orders.>").sign()
    ws.users.add("BILLING", "app").sign()
    user = ws.users.rename("BILLING", "app", "shop").sign()
    account = ws.accounts.rename("BILLING", "SALES").sign()
    deleted = ws.users.delete("SALES", "shop", creds=True, seeds=True).sign()
    closed = ws.accounts.delete("SALES").sign()
    result |= {
        "type": taken.jwt.claims.body.imports[0].type, "notices": [str(one) for one in closing.notices],
        "local": renamed.jwt.claims.body.imports[0].local_subject,
        "weight": mapped.jwt.claims.body.mappings["old.*"][0].weight,
        "mapped": unmapped.jwt.claims.body.mappings,
        "imports": len(left.jwt.claims.body.imports), "exports": len(gone.jwt.claims.body.exports),
        "user": user.jwt.claims.name, "account": account.jwt.claims.name, "revoked": deleted.revoked,
        "removed": len(deleted.removed), "left": ws.accounts.names(), "key": len(closed.keys_left),
    }
"""


def test_a_program_shares_subjects_renames_and_deletes(office: Office) -> None:
    found = office.run(SHARING)
    assert found == {
        "type": "service",
        "notices": ["account BILLING imports orders.>, and needs an activation now"],
        "local": "in.>",
        "weight": 90,
        "mapped": {},
        "imports": 0,
        "exports": 0,
        "user": "shop",
        "account": "SALES",
        "revoked": ["shop"],
        "removed": 2,
        "left": ["ORDERS"],
        "key": 1,
    }


def test_a_program_renews_users_that_expire(office: Office) -> None:
    ws = office.workspace()
    ws.operators.add("ACME").sign()
    ws.accounts.add("ORDERS").sign()
    short = ws.users.add("ORDERS", "short", expiry="1d").sign().jwt
    ws.users.add("ORDERS", "forever").sign()
    renewed = ws.users.renew("ORDERS", "short", "forever", expiry="30d").sign()
    assert renewed.addresses == (("ORDERS", "short"), ("ORDERS", "forever"))
    assert renewed.jwts[0].claims.exp > short.claims.exp + 28 * 86_400
    ws.users.add("ORDERS", "unlimited").sign()
    skipped = ws.users.renew("ORDERS", "unlimited").sign()
    assert (skipped.jwts, [one.why for one in skipped.skipped]) == ((), ["it never expires"])
    assert ws.users.renew(within="1h").sign().jwts == ()


def test_a_program_sets_an_auth_callout_and_revokes_activations(office: Office) -> None:
    ws = office.workspace()
    ws.operators.add("ACME", system_account=True).sign()
    orders = ws.accounts.add("ORDERS").sign().claims.sub
    service = ws.users.add("ORDERS", "callout").sign().jwt.claims.sub
    curve = SoftwareKey.generate(Role.CURVE)
    callout = ExternalAuthorization(auth_users=(service,), xkey=str(curve.public_key))
    edited = ws.auth_callouts.edit("ORDERS", lambda _: callout, curve_key=curve).sign()
    assert edited.jwt.claims.body.authorization == callout
    assert edited.seed_path is not None
    assert edited.seed_path.read_text() == curve.reveal()
    assert not ws.auth_callouts.edit("ORDERS", lambda was: was).sign().changed
    ws.exports.add("ORDERS", Export(subject="orders.>", type="stream", token_req=True)).sign()
    revoked = ws.exports.revoke("ORDERS", "orders.>", "ORDERS").sign().jwt.claims.body.exports[0]
    assert list(revoked.revocations) == [orders]
    assert ws.exports.unrevoke("ORDERS", "orders.>", "ORDERS").sign().changed


def test_a_program_signs_an_activation_that_another_account_imports_with(office: Office) -> None:
    ws = office.workspace()
    ws.operators.add("ACME").sign()
    for name in ("ORDERS", "BILLING"):
        ws.accounts.add(name).sign()
    ws.exports.add("ORDERS", Export(subject="orders.>", type="stream", token_req=True)).sign()
    activation = ws.exports.activate("ORDERS", "orders.eu.>", "BILLING", expiry="30d").sign()
    assert activation.claims.exp - activation.issued_at == 30 * 86_400
    new = Import(account="ORDERS", subject="orders.eu.>", token=activation.text)
    assert ws.imports.add("BILLING", new).sign().jwt.claims.body.imports[0].token == activation.text


IDENTITY = """
from seedless import Workspace

with Workspace(**ARGUMENTS) as ws:
    first = ws.operators.add("ACME").sign().jwt.claims.sub
    ws.accounts.add("ORDERS").sign()
    moving = ws.operators.reissue()
    moved = moving.sign()
    kept = ws.operators.reissue(keep_previous=True).sign()
    second = moved.jwt.claims.sub
    result |= {
        "previous": [str(moved.previous_key), str(kept.previous_key)] == [first, second],
        "keys": list(kept.jwt.claims.body.signing_keys) == [second],
        "accounts": [moved.accounts, kept.accounts],
        "issuer": str(ws.accounts.get("ORDERS").issuer) == second,
        "operator": ws.operators.get().text == kept.jwt.text,
        "steps": [len(moved.servers_must), len(kept.servers_must)],
        "notices": [str(one) for one in moving.notices],
    }
"""


def test_a_program_gives_the_operator_a_new_identity_key(office: Office) -> None:
    assert office.run(IDENTITY) == {
        "previous": True,
        "keys": True,
        "accounts": [["ORDERS"], []],
        "issuer": True,
        "operator": True,
        "steps": [3, 3],
        "notices": [
            "this locks out, from the restart of a server to the push: ORDERS",
            "--convert-to-signing-key locks nobody out",
        ],
    }


IMPORTS = """
from seedless import SoftwareKey, Role, Workspace

other = dict(ARGUMENTS, store=ARGUMENTS["store"] + "-other")
with Workspace(**ARGUMENTS) as ws:
    acme = ws.operators.add("ACME").sign().jwt
    orders = ws.accounts.add("ORDERS").sign()
    app = ws.users.add("ORDERS", "app").sign()
with Workspace(**other) as theirs:
    placed = theirs.operators.import_jwt(acme.text).sign()
    account = theirs.accounts.import_jwt(orders).sign()
    user = theirs.users.import_jwt(app.jwt.text).sign()
    request = theirs.accounts.add("BILLING", limits={"conn": 100}).sign()
    managed = theirs.store.managed
with Workspace(**ARGUMENTS) as ws:
    asking = ws.accounts.import_jwt(request)
    signed = asking.sign()
    result |= {
        "operator": placed.text == acme.text, "managed": managed, "account": account.jwt.text == orders.text,
        "user": user.jwt.text == app.jwt.text, "in": [user.account, user.creds_path],
        "signed": [account.is_signed, signed.is_signed], "conn": signed.jwt.claims.body.limits.conn,
        "issuer": str(signed.jwt.issuer) == acme.claims.sub, "notices": [str(one) for one in asking.notices],
    }
"""


def test_a_program_imports_an_operator_accounts_and_users(office: Office) -> None:
    assert office.run(IMPORTS) == {
        "operator": True,
        "managed": True,
        "account": True,
        "user": True,
        "in": ["ORDERS", None],
        "signed": [False, True],
        "conn": -1,
        "issuer": True,
        "notices": ["the limits that the request asks for are not granted: --take-limits, or give others"],
    }
