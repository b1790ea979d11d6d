"""What becomes of templates; each expectation was seen with nats-server 2.15.1 ($SYS.REQ.USER.INFO)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from seedless.claims import Permission, Permissions, Template
from seedless.claims.templates import (
    Filler,
    Unfillable,
    calls,
    filled,
    has_stray_braces,
    is_plain_token,
    widest,
)

USER = "UBCK436TSUO3KGVFUJL2PXFOEXLI24T3HUIX4FYBPHITKRLLDHINZLMN"
ACCOUNT = "ADVAYQNQ33BBC47E3XVYMKOODV7SBDJQXCDYC3ZSFKQVDGM2ST6SAAQB"


def filler(name: str = "n", tags: tuple[str, ...] = ("x:t",)) -> Filler:
    return Filler(
        name=name,
        subject=USER,
        tags=tags,
        account_name="acc",
        account_subject=ACCOUNT,
        account_tags=("k:v1", "k:v2", "one:x"),
    )


def allowed(*entries: str, name: str = "n", tags: tuple[str, ...] = ("x:t",)) -> Any:  # noqa: ANN401 - a list or a refusal
    template = msgspec.structs.replace(Template.new(), sub=Permission(allow=entries))
    made = filled(template, filler(name, tags))
    return made if isinstance(made, Unfillable) else made.sub.allow


def denied(*entries: str, name: str = "n", tags: tuple[str, ...] = ("x:t",)) -> Any:  # noqa: ANN401 - a list or a refusal
    template = msgspec.structs.replace(Template.new(), sub=Permission(deny=entries))
    made = filled(template, filler(name, tags))
    return made.reason if isinstance(made, Unfillable) else made.sub.deny


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{name()}}", "n"), ("{{NAME()}}", "n"), ("{{ name() }}", "n"), ("{{\tname()}}", "n"),
        ("{{subject()}}", USER), ("{{account-name()}}", "acc"), ("{{account-subject()}}", ACCOUNT),
        ("{{tag(x)}}", "t"), ("{{tag(X)}}", "t"), ("{{ tag(x)}}", "t"), ("{{account-tag(one)}}", "x"),
        ("{{name()}}z", "nz"), ("z{{name()}}", "zn"), ("{{name()}}{{name()}}", "nn"), ("a{{tag(x)}}b", "atb"),
        ("{{name()}}}", "n}"), ("{{}}", "{{}}"),
        ("{{name()}", "{{name()}"), ("{{name(", "{{name("),
        ("}}", "}}"),
    ],
)  # fmt: skip
def test_a_template_becomes_its_value(template: str, value: str) -> None:
    assert allowed(f"p.{template}", "o") == (f"p.{value}", "o")
    assert denied(f"p.{template}") == (f"p.{value}",)


@pytest.mark.parametrize(
    "template",
    [
        "{{name}}", "{{nmae()}}", "{{account_name()}}", "{{tag(x}}", "{{x.y}}", "{{{name()}}}", "{{tag (x)}}",
        "{{name( )}}", "{{kvrw(x)}}",
    ],
)  # fmt: skip
def test_an_unknown_function_refuses_the_user(template: str) -> None:
    reason = f"{template.rstrip('}')}}}}} is not a function that servers know"
    assert allowed(f"p.{template}", "o") == Unfillable("sub.allow[0]", f"p.{template}", reason)
    assert denied(f"p.{template}") == reason


@pytest.mark.parametrize(
    "template",
    [
        "{{Tag(X)}}",
        "{{tag()}}",
        "{{tag(x))}}",
        "{{tag(x:y)}}",
        "{{tag( x)}}",
        "{{tag(a.b)}}",
        "{{account-tag(k2)}}",
    ],
)
def test_where_no_tag_fits_allow_drops_the_entry_and_deny_refuses_the_user(template: str) -> None:
    assert allowed(f"p.{template}", "o") == ("o",)
    assert denied(f"p.{template}") == f"there is no tag for {template}"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("a.b", "p.a.b"), ("*", "p.*"), (">", "p.>"), ("a.*", "p.a.*"), ("a.>", "p.a.>"), ("*x", "p.*x"),
        ("ü", "p.ü"), ("{{tag(x)}}", "p.{{tag(x)}}"), ("{{nmae()}}", "p.{{nmae()}}"),
    ],
)  # fmt: skip
def test_a_value_goes_in_as_it_is(name: str, subject: str) -> None:
    assert allowed("p.{{name()}}", name=name) == (subject,)
    assert denied("p.{{name()}}", name=name) == (subject,)


@pytest.mark.parametrize("name", ["a b", " n", "", "a..b", ".a", ">.a", "a\tb"])
def test_a_value_that_makes_no_subject_is_dropped_from_allow_and_refuses_in_deny(name: str) -> None:
    assert allowed("p.{{name()}}", "o", name=name) == ("o",)
    assert denied("p.{{name()}}", name=name) == f"{f'p.{name}'!r} is not a subject"


def test_several_tags_and_templates_give_all_combinations() -> None:
    tags = ("x:1", "x:2", "y:3", "y:4")
    expected = ("p.1.3", "p.1.4", "p.2.3", "p.2.4")
    assert allowed("p.{{tag(x)}}.{{tag(y)}}", tags=tags) == expected
    assert denied("p.{{tag(x)}}.{{tag(y)}}", tags=tags) == expected
    assert allowed("p.{{tag(x)}}.{{tag(y)}}", "o", tags=("x:1",)) == ("o",)
    assert allowed("{{account-tag(k)}}.{{tag(x)}}", tags=("x:a", "x:>")) == ("v1.a", "v1.>", "v2.a", "v2.>")
    assert allowed("p.{{tag(x)}}", tags=("x:T", "X:t", "x:a:b", "x:", "x")) == ("p.T", "p.a:b")


def test_a_value_that_looks_like_a_template_is_filled_by_the_next() -> None:
    assert allowed("p.{{name()}}.{{tag(x)}}", name="{{tag(x)}}", tags=("x:1", "x:2")) == ("p.1.1", "p.2.2")


def test_more_than_4096_subjects_refuse_the_user() -> None:
    tags = tuple(f"{letter}:{number}" for letter in "xy" for number in range(64))
    assert len(allowed("{{tag(x)}}.{{tag(y)}}", tags=tags)) == 4096
    made = allowed("{{tag(x)}}.{{tag(y)}}", tags=(*tags, "x:64"))
    assert made.reason == "it becomes more than 4096 subjects"


def test_beside_a_template_an_entry_with_a_queue_is_dropped_from_allow_and_refuses_in_deny() -> None:
    assert allowed("p.a q", "p.{{name()}}") == ("p.n",)
    assert allowed("p.{{name()}} q", "o") == ("o",)
    assert denied("p.a q", "p.{{name()}}") == "'p.a q' is not a subject"
    assert denied("p.a q") == ("p.a q",)


def test_an_allow_list_that_ends_up_empty_denies_everything() -> None:
    template = msgspec.structs.replace(Template.new(), pub=Permission(allow=("{{tag(y)}}",), deny=("a",)))
    assert filled(template, filler()) == Permissions(pub=Permission(deny=("a", ">")))


def test_calls_are_found_with_function_and_argument() -> None:
    assert [(call.function, call.argument) for call in calls("{{name()}}.a{{account-tag(K)}}.{{x}}")] == [
        ("name", ""),
        ("account-tag", "k"),
        ("", ""),
    ]
    assert calls("orders.>") == ()


def test_braces_that_are_no_template_are_found() -> None:
    assert all(map(has_stray_braces, ("{{name()}", "name()}}", "{{}}")))
    assert not any(map(has_stray_braces, ("{{name()}}", "a.{b}", "a")))


def test_a_plain_token_has_no_dot_blank_wildcard_or_brace() -> None:
    assert all(map(is_plain_token, ("app-1", "ü", "$x")))
    assert not any(map(is_plain_token, ("", "a.b", "*", ">", "a*", "a b", "a\t", "{{x}}")))


def test_the_widest_that_a_template_may_become_is_all_that_may_follow() -> None:
    assert widest("own.{{name()}}.a", filler()) == ("own.>",)
    assert widest("own.a{{tag(x)}}", filler()) == ("own.>",)
    assert widest("{{subject()}}.a", filler()) == ("*.a",)
    assert widest("a.{{account-tag(k)}}.b", filler()) == ("a.v1.b", "a.v2.b")
    assert widest("a.{{account-name()}}.{{name()}}", filler()) == ("a.acc.>",)
    assert widest("a.b", filler()) == ("a.b",)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("{{{name()}}}", ["{{{name()}}"]),
        ("{{}}{{a}}", ["{{a}}"]),
        ("{{a}{{b}}", ["{{b}}"]),
        ("{{ {{a}}", ["{{ {{a}}"]),
        ("}}{{", []),
    ],
)
def test_templates_are_found_as_servers_find_them(entry: str, found: list[str]) -> None:
    assert [call.text for call in calls(entry)] == found
