"""The content of a jwt, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless import text as safe
from seedless.cli import printing
from seedless.diff import Wording, diff
from seedless.errors import ExitCode, SeedlessError
from seedless.jwt import plain_payload
from seedless.rules.guards import spelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seedless.cli.options import Settings
    from seedless.jwt import Jwt

_FEW = 5  # jwts that are named when they are spelled unusually; a store of an old tool is full of them
_WIDEST = 28  # columns of the labels; a scope may be called anything


def data(jwt: Jwt[Any]) -> dict[str, Any]:
    """Return *jwt* as --json prints it."""
    import json  # slow to load

    return {
        "kind": jwt.claims.body.kind,
        "name": jwt.claims.name,
        "subject": jwt.claims.sub,
        "issuer": str(jwt.issuer),
        "issued_at": jwt.issued_at,
        "expires": jwt.claims.exp or None,
        "version": jwt.claims.version,
        "id": jwt.id,
        "unknown": [member.path for member in jwt.unknown],
        "unusual": [{"rule": deviation.rule, "where": deviation.path} for deviation in jwt.deviations],
        "claims": json.loads(plain_payload(jwt)),
        "jwt": jwt.text,
    }


def text(jwt: Jwt[Any], titles: Mapping[str, str]) -> str:
    """Return *jwt* for people, a member a line, with the *titles* of keys, safe to print."""
    claims = jwt.claims
    head = [
        ("kind", claims.body.kind.replace("_", " ") + (" (version 1)" if claims.version == 1 else "")),
        ("issuer", Wording(titles).key(str(jwt.issuer))),
        ("issued", printing.moment(jwt.issued_at)),
    ]
    content = [(difference.label, difference.text) for difference in diff(None, claims, names=titles)]
    tail = [("unknown", f"{safe.brief(member.path)} = {safe.brief(member.text)}") for member in jwt.unknown]
    unusual = spelling(jwt)
    tail += [("G013", safe.printable(" ".join(unusual).strip()))] if unusual else []
    rows = [*head, *content, *tail]
    width = min(max(len(label) for label, _ in rows), _WIDEST)
    return "\n".join(printing.labelled(rows, width + 1))


def titles_beside(jwt: Jwt[Any], settings: Settings) -> Mapping[str, str]:
    """Return what the store and the inventory call the keys in *jwt*, but its own."""
    from seedless.app.key_names import known_titles  # a jwt in a file is shown without a store
    from seedless.cli.workspace import CommandWorkspace

    return known_titles(CommandWorkspace(settings), jwt.claims.sub)


def report_unusual(found: Iterable[tuple[str, Jwt[object]]]) -> None:
    """Report which of the jwts that were *found*, each with its name, are not spelled as usual (G013)."""
    unusual = [(what, place) for what, jwt in found if (place := spelling(jwt)) is not None]
    for what, (where, text) in unusual[:_FEW]:
        printing.report_safe(f"warning: G013 {safe.shown(what)} {where} {text}")
    if unusual[_FEW:]:
        printing.report(f"warning: G013 holds for {len(unusual) - _FEW} more jwts: seedless verify lists all")


class Listing(msgspec.Struct, frozen=True):
    """What a list command prints: the jwts that can be read, and why the others cannot."""

    rows: tuple[tuple[str, str, str], ...]
    jwts: tuple[dict[str, Any], ...]
    damaged: tuple[dict[str, str], ...]

    @classmethod
    def of(cls, found: list[tuple[str, Jwt[object] | SeedlessError]]) -> Listing:
        """Gather what was *found* under each name."""
        rows: list[tuple[str, str, str]] = []
        jwts: list[dict[str, object]] = []
        damaged: list[dict[str, str]] = []
        for name, jwt in found:
            if isinstance(jwt, SeedlessError):
                rows.append((safe.shown(name), "damaged", "-"))
                damaged.append({"name": name, "error": jwt.message})
            else:
                rows.append((safe.shown(name), jwt.claims.sub, printing.until(jwt.claims.exp)))
                jwts.append(data(jwt))
        return cls(tuple(rows), tuple(jwts), tuple(damaged))

    def table(self, what: str) -> str:
        """Return the table for people, the damaged ones explained below it; *what* heads the names."""
        explained = (f"damaged: {printing.printable(entry['error'])}" for entry in self.damaged)
        return "\n".join([printing.table(self.rows, (what, "PUBLIC KEY", "EXPIRES")), *explained])

    @property
    def exit_code(self) -> int:
        """0, or 3 when something is damaged."""
        return ExitCode.FINDINGS if self.damaged else ExitCode.OK
