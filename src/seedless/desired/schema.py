"""The JSON Schema (2020-12) of a desired-state file, for editors; made from the same table as reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seedless.desired.format import Anything, Entries, Many, Named, Part, account_kind, file_kind
from seedless.desired.values import Value

if TYPE_CHECKING:
    from seedless.desired.format import Kind

_VARIABLE = {"type": "string", "pattern": r"\{\{.*\}\}"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of a whole file."""
    whole = _schema(file_kind(), in_template=False)
    parts = whole["properties"]
    parts["accounts"]["additionalProperties"] = {"$ref": "#/$defs/account"}
    parts["templates"]["additionalProperties"] = {"$ref": "#/$defs/template"}
    scalar = {"type": ["string", "number", "boolean"]}
    parts["tenants"]["items"]["properties"]["vars"]["additionalProperties"] = scalar
    return {
        "$schema": _DIALECT,
        "title": "Desired state of operator, accounts and users, as seedless apply reads it",
        **whole,
        "$defs": {
            "account": _schema(account_kind(), in_template=False),
            "template": _schema(account_kind(), in_template=True),
        },
    }


def text() -> str:
    """Return the schema as its file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"


def _schema(kind: Kind, *, in_template: bool) -> dict[str, Any]:
    match kind:
        case Value():
            return {"anyOf": [kind.schema, _VARIABLE]} if in_template else dict(kind.schema)
        case Many():
            return {"type": "array", "items": _schema(kind.item, in_template=in_template)}
        case Entries():
            told = f"told apart by {', '.join(kind.identity)}"
            items = _schema(kind.item, in_template=in_template)
            return {"type": "array", "description": told, "items": items}
        case Named():
            items = _schema(kind.item, in_template=in_template)
            return {"type": "object", "description": f"by {kind.what}", "additionalProperties": items}
        case Part():
            return _part(kind, in_template=in_template)
        case Anything():
            return {}


def _part(kind: Part, *, in_template: bool) -> dict[str, Any]:
    members = {name: _schema(member, in_template=in_template) for name, member in kind.members.items()}
    table: dict[str, Any] = {"type": "object", "properties": members, "additionalProperties": False}
    if kind.required:
        table["required"] = list(kind.required)
    return {"anyOf": [table, {"const": False}]} if kind.optional else table
