"""docs/reference/json.md names every member that --json prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    Cli = Any  # the fixture in tests/conftest.py

COMMANDS = [
    "token list",
    "token show",
    "key new --role account --name SPARE",
    "key new --role account --name SPARE --dry-run",
    "key list",
    "key list --token {uri}",
    "key show {account}",
    "key audit",
    "token doctor --no-key",
    "operator show",
    "account add PAYROLL --dry-run",
    "account add PAYROLL",
    "account list",
    "operator list",
    "operator edit --tag env:test",
    "operator signing-key add",
    "operator signing-key list",
    "account show PAYROLL --field nats.limits.conn",
    "account edit PAYROLL --conns 7",
    "account edit PAYROLL --conns 7",
    "account signing-key add -a PAYROLL --role clerk --allow-pub pay.{{{{name()}}}}",
    "account signing-key list -a PAYROLL",
    "user add -a PAYROLL callout",
    "account authcallout PAYROLL --auth-user callout --curve generate",
    "account revoke -a PAYROLL *",
    "account revocations -a PAYROLL",
    "account rename PAYROLL PAY",
    "account delete PAY --dry-run",
    "account delete PAY",
    "user add -a ORDERS clerk --on-token",
    "user list -a ORDERS",
    "user creds -a ORDERS app",
    "user creds -a ORDERS app -o app.creds",
    "user show -a ORDERS app --field sub",
    "account export add -a ORDERS -s orders.> --private",
    "account export revoke -a ORDERS -s orders.> -t SYS",
    "account export list -a ORDERS",
    "account export revocations -a ORDERS",
    "account import add -a SYS --src-account ORDERS --remote-subject orders.>",
    "account import list -a SYS",
    "account mapping add -a ORDERS --from a --to b",
    "account mapping add -a ORDERS --from c --to d --dry-run",
    "account mapping list -a ORDERS",
    "activation new -a ORDERS -s orders.> -t SYS",
    "user edit -a ORDERS app --expiry 1d",
    "user renew --within 30d",
    "user context -a ORDERS app --url nats://localhost -o app.json",
    "expirations --within 30d",
    "user rename -a ORDERS app shop",
    "user delete -a ORDERS shop --dry-run",
    "user delete -a ORDERS shop",
    "account signing-key add -a ORDERS",
    "rotate account-key ORDERS --without-servers",
    "rotate account-key ORDERS --finish --without-servers",
    "rotate operator-key --without-servers",
    "operator reissue --convert-to-signing-key",
    "verify",
    "lint",
    "tree",
    "push --all --dir .",
    "pull --all --dir .",
    "prune --dir .",
    "server config --mem-resolver",
    "completion bash",
    "account show NOBODY",
]
_FOREIGN = (  # members of a jwt, or of PKCS#11
    "claims", "the_driver_says", "old", "new", "value", "exports", "imports", "mappings",
)  # fmt: skip


def members(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            if name not in _FOREIGN:
                yield from members(item)
    elif isinstance(value, list):
        for item in value:
            yield from members(item)


def test_the_page_names_every_member_that_is_printed(
    cli: Cli, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli.found_system()
    account = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    printed = {"operator add": cli.ok("operator", "add", "OTHER", "--sys", "--dry-run", "--json").data}
    for line in COMMANDS:
        words = line.format(uri=cli.token.uri, account=account).split()
        printed[line] = cli.run(*words, "--json").data
    named = set(re.findall(r"[`\"](\w+)[`\"]", (root / "docs/reference/json.md").read_text(encoding="utf-8")))
    missing = {line: set(members(data)) - named for line, data in printed.items()}
    assert {line: names for line, names in missing.items() if names} == {}
    assert [line for line, data in printed.items() if "error" in data] == ["account show NOBODY"]
