from __future__ import annotations

import re
from pathlib import Path

import pytest

from seedless.claims import Scope
from seedless.errors import BadClaims
from seedless.jwt import MAX_SIZE, claims_from_json
from seedless.wire import MAX_DEPTH, RULES

PAGE = (Path(__file__).parents[2] / "docs/reference/differences.md").read_text(encoding="utf-8")


def test_the_page_lists_every_rule_in_the_words_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {name: refused for name, refused, _ in rows} == RULES
    assert [name for name, _, _ in rows] == list(RULES)


def test_the_page_has_the_limits_of_the_code() -> None:
    assert f"limits typed claims to {MAX_SIZE:,} bytes" in PAGE
    assert f"nesting deeper than {MAX_DEPTH} levels" in PAGE


def scoped(template: str) -> str:
    return f'{{"signing_keys":[{{"kind":"user_scope","key":"k","template":{template}}}]}}'


@pytest.mark.parametrize(
    ("words", "nats"),
    [
        ("unknown members", '{"sbus":5}'),
        ("other spellings", '{"exports":[{"service_latency":{"sampling":"HEADERS"}}]}'),
        ("a signing key that is listed twice", '{"signing_keys":["a","a"]}'),
        ("0 in a template", scoped('{"subs":0}')),
        ("a template's number that float64 cannot hold", scoped('{"data":9007199254740993}')),
        ("a kind or a version", '{"type":"user"}'),
        ("a kind or a version", '{"version":1}'),
    ],
)
def test_claims_that_the_page_lists_as_refused_are_refused(words: str, nats: str) -> None:
    assert f"**{words}**" in PAGE
    with pytest.raises(BadClaims) as caught:
        claims_from_json("account", f'{{"sub":"s","nats":{nats}}}')
    assert caught.value.rule == ""


def test_absent_limits_of_a_template_become_those_of_the_page() -> None:
    body = claims_from_json("account", f'{{"nats":{scoped("{}")}}}').body
    scope = body.signing_keys[0]
    assert isinstance(scope, Scope)
    assert (scope.template.subs, scope.template.data, scope.template.payload) == (-1, -1, -1)
