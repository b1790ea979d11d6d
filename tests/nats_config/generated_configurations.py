"""Configurations made by chance: blocks, words, values, odd spellings, includes, variables, and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.nats_config.words import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    Words = dict[str, dict[str, str]]

WRONG = {
    "text": "x",
    "duration": "'1m'",
    "integer": "7",
    "float": "1.5",
    "boolean": "true",
    "map": "{ zzz: 1 }",
    "array": "[ 1 ]",
}
AROUND = {
    "cluster": "cluster {{{}}}",
    "gateway": "gateway {{{}}}",
    "leafnodes": "leafnodes {{{}}}",
    "websocket": "websocket {{{}}}",
    "mqtt": "mqtt {{{}}}",
    "jetstream": "jetstream {{{}}}",
    "authorization": "authorization {{{}}}",
    "account": "accounts {{ A {{{}}} }}",
    "account limits": "accounts {{ A {{ limits {{{}}} }} }}",
    "account jetstream": "accounts {{ A {{ jetstream {{{}}} }} }}",
    "user": "authorization {{ users [ {{ user: a\n{} }} ] }}",
    "permissions": "authorization {{ users [ {{ user: a, permissions {{{}}} }} ] }}",
    "subjects": "authorization {{ users [ {{ user: a, permissions {{ publish {{{}}} }} }} ] }}",
    "responses": "authorization {{ users [ {{ user: a, permissions {{ allow_responses {{{}}} }} }} ] }}",
    "leafnode authorization": "leafnodes {{ authorization {{{}}} }}",
    "remote leafnode": "leafnodes {{ remotes [ {{{}}} ] }}",
    "remote gateway": "gateway {{ gateways [ {{{}}} ] }}",
    "login": "mqtt {{ authorization {{{}}} }}",
    "tls": "tls {{{}}}",
    "ocsp": "ocsp {{{}}}",
    "ocsp cache": "ocsp_cache {{{}}}",
}
"""How a block is reached from the top."""
BROKEN: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace("}", "", 1),
    lambda text: text + "}\n}",
    lambda text: text + '\nx: "a\\qb"',
    lambda text: text + '\nserver_name: "open',
    lambda text: text + "\ny: [1,,2]",
    lambda text: text + "\nport: $nowhere",
    lambda text: text + "\ninclude nowhere.conf",
    lambda text: text + "\nmax_payload: 12xb",
    lambda text: text + "\nmax_payload:\n 5",
    lambda text: text + "\nport 1.",
    lambda text: text + "\nport",
    lambda text: text + "\n= 5",
    lambda text: text + "\nserver_name: (\nx",
    lambda text: "{ " + text,
    lambda _: "",
    lambda _: "# nothing\n",
)


def configuration(chance: Random) -> tuple[str, str]:
    """Return a configuration and the text of `inner.conf`, which it may include."""
    statements = [_statement(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    inner = "server_name: inner\n"
    if chance.random() < 0.15:
        statements.append(
            chance.choice(("include inner.conf", "include 'inner.conf'", "Include ./inner.conf"))
        )
        inner = _statement(chance)
    if chance.random() < 0.15:
        statements.append(_variable(chance))
    text = chance.choice(("\n", "\n", "\n# a comment\n", "\n\n// another\n")).join(statements)
    if chance.random() < 0.15:
        text = chance.choice(BROKEN)(text)
    return text, inner


def _statement(chance: Random) -> str:
    if chance.random() < 0.35:
        return _member(chance, "top", chance.choice(sorted(known()["top"])))
    block = chance.choice(sorted(AROUND))
    words = known()[block]
    some = [
        _member(chance, block, chance.choice(sorted(words)) if chance.random() < 0.9 else _stranger(chance))
        for _ in range(chance.choice((1, 1, 1, 2)))
    ]
    return AROUND[block].format("\n" + chance.choice(("\n", ", ", ";\n")).join(some) + "\n")


def _stranger(chance: Random) -> str:
    """Return a word that no block knows, or one of another block."""
    others = sorted({word for words in known().values() for word in words})
    return chance.choice(("zzz", "nkey_dir", "allow_subscriptions", *chance.sample(others, 3)))


def _member(chance: Random, block: str, word: str) -> str:
    kinds = known()[block].get(word, {})
    examples = [value for value in kinds.values() if value]
    if examples and chance.random() < 0.8:
        value = chance.choice(examples)
    else:
        value = WRONG[chance.choice(_refused(kinds) or ["text"])]
    return f"{_spelled(chance, word)}{chance.choice((': ', ' ', ' = ', ':'))}{value}"


def _refused(kinds: Iterable[str]) -> list[str]:
    """Return the kinds of values that a word refuses: not a text where it takes some texts."""
    taken = {"text", "duration"} | set(kinds) if "text" in kinds else set(kinds)
    return [kind for kind in WRONG if kind not in taken]


def _spelled(chance: Random, word: str) -> str:
    return chance.choice((word, word, word, word.upper(), word.title(), f'"{word}"', f"'{word}'"))


def _variable(chance: Random) -> str:
    """Return a variable with its use, in the order that servers require, or in the other."""
    name = chance.choice(("mine", "zzz", "host_name"))
    value, use = chance.choice(
        (
            ("5", "max_conn"),
            ("x", "server_name"),
            ("true", "debug"),
            ("x", "max_conn"),
            ("yes", "server_name"),
        )
    )
    lines = [f"{name}: {value}", f"{use}: ${name}"]
    return "\n".join(lines if chance.random() < 0.8 else lines[::-1])
