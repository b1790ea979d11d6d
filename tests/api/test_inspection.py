"""What a program reads of a store: findings, verdicts, a tree, differences, the attributes of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from office import Office

READING = """
from pathlib import Path
from msgspec.structs import replace
from seedless import Workspace

with Workspace(**ARGUMENTS) as ws:
    ws.operators.add("ACME", system_account=True).sign()
    ws.accounts.add("ORDERS", limits={"conn": 100}).sign()
    preview = ws.accounts.edit("ORDERS", limits={"conn": 7})
    orders = ws.account("ORDERS")
    wider = replace(orders.claims, body=replace(orders.claims.body, limits=replace(
        orders.claims.body.limits, conn=-1)))
    (key,) = (entry.public_key for entry in ws.inventory() if entry.name == "ORDERS")
    shown = ws.keys.show(key)
    report = ws.lint()
    configuration = Path(ARGUMENTS["store"]).parent / "server.txt"
    configuration.write_text("port: 4222")
    tree = ws.tree()
    result |= {
        "codes": sorted({one.code for one in report.findings}),
        "lint": [report.looked_at, report.holds(), report.holds(strict=True)],
        "configuration": ws.lint_configurations(configuration).looked_at,
        "verdicts": {one.what: [one.ok, one.trust] for one in ws.verify()},
        "given": [one.ok for one in ws.verify([("this", orders)])],
        "tree": [tree.kind, tree.name, sorted(child.name for child in tree.children)],
        "wider": [[str(one.effect), one.line] for one in ws.diff(wider).differences],
        "same": ws.diff(orders, orders).differences == (),
        "preview": [[str(one.effect), one.line] for _, found in preview.differences() for one in found],
        "key": [shown.place.name, shown.place.role.name, shown.attributes.extractable],
    }
"""


def test_a_program_lints_verifies_draws_and_compares_without_click_or_stdout(office: Office) -> None:
    found = office.run(READING)
    assert found["lint"] == [4, True, True]
    assert found["codes"] == []
    assert found["configuration"] == 1
    assert found["verdicts"] == {
        "operator ACME": [True, "trusted"],
        "account ORDERS": [True, "trusted"],
        "account SYS": [True, "trusted"],
        "user SYS/sys": [True, "trusted"],
    }
    assert found["given"] == [True]
    assert found["tree"] == ["operator", "ACME", ["ORDERS", "SYS"]]
    assert found["wider"] == [["widens", "conn: 100 -> unlimited"]]
    assert found["same"] is True
    assert found["preview"] == [["narrows", "conn: 100 -> 7"]]
    assert found["key"] == ["ORDERS", "ACCOUNT", False]
