"""Ask nats-server which words each block of a configuration may have, and which values.

    python tests/nats_config/known_words.py [--values] [BLOCK ...]

Writes `src/seedless/nats_config/known.json`, or the part of it that is about each BLOCK; with --values the
words stay, and their values alone are tried. The
candidates are the words in `words.txt`, those of the table, and the names of fields that are in the server's
program. `nats-server -t` reports every unknown word of a file in one run, but a value that it cannot take
ends the reading of a block: then the words are divided. It takes two to three minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.nats_config.lint import find_server
from seedless.nats_config.server import OPERATOR as OPERATOR_WORDS
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterable

Table = dict[str, dict[str, dict[str, str]]]
"""By block and word: the kinds of values, each with a value; an empty one where none could be tried."""

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "src/seedless/nats_config/known.json"
WORDS = Path(__file__).with_name("words.txt")

USER, ACCOUNT, OPERATOR, CURVE = (
    str(SoftwareKey(role, bytes(32)).public_key)
    for role in (Role.USER, Role.ACCOUNT, Role.OPERATOR, Role.CURVE)
)
SEED = SoftwareKey(Role.USER, bytes(32)).reveal()

BLOCKS = {
    "top": "%s",
    "authorization": "authorization {\n%s\n}",
    "auth_callout": (
        "accounts { A {} }\nauthorization { auth_callout {\n"
        f"issuer: {ACCOUNT}, auth_users: [a]\n%s\n}} }}"
    ),
    "user": "authorization { users: [ {\nuser: a\n%s\n} ] }",
    "permissions": "authorization { users: [ { user: a, permissions {\n%s\n} } ] }",
    "subjects": "authorization { users: [ { user: a, permissions { publish {\n%s\n} } } ] }",
    "responses": "authorization { users: [ { user: a, permissions { allow_responses {\n%s\n} } } ] }",
    "account": "accounts { A {\n%s\n} }",
    "account limits": "accounts { A { limits {\n%s\n} } }",
    "account jetstream": "accounts { A { jetstream {\n%s\n} } }",
    "export": "accounts { A { exports: [ {\n%s\n} ] } }",
    "import": "accounts { A { imports: [ {\n%s\n} ] }, B { exports: [ { stream: b }, { service: b } ] } }",
    "import source": (
        "accounts { B { exports [ { stream: b } ] }\n"
        "A { imports: [ { stream {\naccount: B, subject: b\n%s\n} } ] } }"
    ),
    "mapping": "mappings { a: [ {\ndestination: b, weight: 100\n%s\n} ] }",
    "cluster": "cluster {\n%s\n}",
    "cluster authorization": "cluster { authorization {\n%s\n} }",
    "gateway": "gateway {\n%s\n}",
    "remote gateway": "gateway { gateways: [ {\n%s\n} ] }",
    "leafnodes": "leafnodes {\n%s\n}",
    "leafnode authorization": "leafnodes { authorization {\n%s\n} }",
    "leafnode user": "leafnodes { authorization { users: [ {\nuser: a\n%s\n} ] } }",
    "remote leafnode": "leafnodes { remotes: [ {\n%s\n} ] }",
    "websocket": "websocket {\n%s\n}",
    "login": "websocket { authorization {\n%s\n} }",
    "mqtt": "mqtt {\n%s\n}",
    "jetstream": "jetstream {\n%s\n}",
    "jetstream limits": "jetstream { limits {\n%s\n} }",
    "tls": "tls {\n%s\n}",
    "certificate": "tls { certs: [ {\n%s\n} ] }",
    "ocsp": "ocsp {\n%s\n}",
    "ocsp cache": "ocsp_cache {\n%s\n}",
    "resolver": "resolver {\ntype: full, dir: './jwt'\n%s\n}",
    "ocsp peer": "tls { ocsp_peer {\n%s\n} }",
}


def answer(text: str, folder: Path) -> str:
    path = folder / "s.conf"
    path.write_text(text, encoding="utf-8")
    program = find_server()
    assert program is not None
    done = subprocess.run(
        [program, "-t", "-c", "s.conf"], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stderr if done.returncode else ""


IGNORED = {"resolver": ["allow_delete", "dir", "hard_delete", "interval", "limit", "timeout", "ttl", "type"]}
"""Words of a block that ignores those that it does not know, so that it cannot be asked."""
ONE_AT_A_TIME = frozenset({"mapping", "tls", "certificate", "ocsp", "ocsp cache", "ocsp peer"})
"""Blocks of which the server reports only the first unknown word."""

_WORDS = (
    *(
        "x",
        "always",
        "enabled",
        "auto",
        "1.3",
        "50%",
        "10M",
        "standard",
        "single",
        "s2_fast",
        "aes",
        "local",
        "owner",
        "retry",
    ),
    *("MEMORY", "https", "issuer", "A", "B", "b", "2.8.0", "none", "nats://127.0.0.1:4222"),
    *(USER, ACCOUNT, OPERATOR, CURVE, SEED),
)
SAMPLES: dict[str, tuple[str, ...]] = {
    "duration": ('"1m"',),
    "address": ('"127.0.0.1:4222"',),
    "text": tuple(f'"{text}"' for text in _WORDS),
    "integer": ("5", "1", "60"),
    "float": ("1.5",),
    "boolean": ("true", "false"),
    "time": ("2020-01-01T00:00:00Z",),
    "map": (
        *("{}", "{ a: b }", "{ user: a }", '{ dir: "./jwt", type: full }', "{ account: B, subject: b }"),
        *("{ subject: b }", "{ a: true }", f"{{ issuer: {ACCOUNT}, auth_users: [a] }}"),
    ),
    "array": (
        *("[]", "[x]", f"[{USER}]", '["nats://127.0.0.1:4222"]', "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"),
        *("[CurveP256]", "[{}]", "[{ user: a }]", "[STANDARD]", f"[{OPERATOR}]", "[A]"),
        *(f"[{{ key: {USER} }}]", f'["{"0" * 64}"]', '["1ms"]'),
    ),
}
"""Values by their kind; a word takes a kind when it takes one of its samples."""
_TEXTS = frozenset({"duration", "address"})
_BY_ITSELF = {
    ("resolver", "hard_delete"): "resolver {\ntype: full, dir: './jwt', allow_delete: true\n%s\n}",
    ("resolver", "ttl"): "resolver {\ntype: cache, dir: './jwt'\n%s\n}",
    ("user", "nkey"): "authorization { users: [ {\n%s\n} ] }",
}
"""Words that do not go together with what else is in the block."""
_GIVEN = {
    **{("top", word): ("text", "array") for word in OPERATOR_WORDS},
    **{("tls", word): ("text",) for word in ("ca_file", "cert_file", "key_file", "cert_store")},
    **{("certificate", word): ("text",) for word in ("cert_file", "key_file")},
}
"""What cannot be tried: files that the server reads at once, and a store that Windows alone has."""
_WARNING = "invalid use of field"
_UNKNOWN = re.compile(r"(?i)unknown field|unsupported field")
_NAMED = re.compile(r'(?i)unknown field (?:name )?\[?"([^"]*)"')
_FIELD = re.compile(rb"(?=[\x00-\x07]([\x03-\x28])([A-Z][A-Za-z0-9]+))")
_TAG = re.compile(rb'(?:json|option):"([a-z][a-z_0-9]+)')
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def listed() -> set[str]:
    """Return the words of `words.txt`."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def fields(program: Path) -> set[str]:
    """Return the names of fields in *program*, as words: Go keeps each with its length before it."""
    data = program.read_bytes()
    found = [name[: length[0]].decode() for length, name in _FIELD.findall(data) if len(name) >= length[0]]
    words = {_HUMP.sub("_", name).lower() for name in found}
    return words | {tag.decode() for tag in _TAG.findall(data)}


def line(word: str, value: str = "1") -> str:
    """Return a line that gives *word* a value."""
    return f"{word}: {value}"


def known(block: str, candidates: Iterable[str], folder: Path) -> set[str]:
    """Return those of *candidates* that the server knows in *block*."""
    if block in IGNORED:
        return set(IGNORED[block])
    words = sorted(candidates)
    if block in ONE_AT_A_TIME:
        return {word for word in words if _is_known(block, word, folder)}
    found: set[str] = set()
    waiting = [words[at : at + 300] for at in range(0, len(words), 300)]
    while waiting:
        some = waiting.pop()
        said = answer(BLOCKS[block] % "\n".join(line(word) for word in some), folder)
        rest = [word for word in some if word not in set(_NAMED.findall(said))]
        if len(rest) < len(some):
            waiting += [rest] if rest else []
        elif len(some) == 1:
            found.add(some[0])
        else:
            waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
    return found


def _is_known(block: str, word: str, folder: Path) -> bool:
    """Ask about one word; with a value of a wrong type a block may call a word unknown that it knows."""
    values = ("x",) if block == "certificate" else ("x", "true")
    texts = (BLOCKS[block] % line(word, value) for value in values)
    return any(not _UNKNOWN.search(answer(text, folder)) for text in texts)


def kinds(block: str, word: str, folder: Path) -> dict[str, str]:
    """Return the kinds of values that *word* takes in *block*, each with one of them.

    Where any text is taken, durations and addresses are not told apart.
    """
    if (block, word) in _GIVEN:
        return dict.fromkeys(_GIVEN[block, word], "")
    found = {kind: sample for kind in SAMPLES if (sample := taken(block, word, kind, folder))}
    return {kind: sample for kind, sample in found.items() if "text" not in found or kind not in _TEXTS}


def taken(block: str, word: str, kind: str, folder: Path) -> str:
    """Return a sample of *kind* that the server takes for *word* in *block*; empty without one."""
    template = _BY_ITSELF.get((block, word), BLOCKS[block])
    for value in SAMPLES[kind]:
        said = answer(template % line(word, value), folder)
        if takes_it(said):
            return value
        if "interface conversion" in said:  # no other value of this kind will do
            break
    return ""


def takes_it(said: str) -> bool:
    """Report whether the server starts with a file of which `-t` *said* this: of some values it warns."""
    return all(_WARNING in problem for problem in said.splitlines() if problem.strip())


def start(text: str, folder: Path, patience: float = 0.0) -> str:
    """Start the server with the configuration *text*; return why it ended, or nothing when it was ready.

    One that ends within *patience* seconds after it was ready has not started.
    """
    path, log = folder / "s.conf", folder / "log"
    path.write_text(text, encoding="utf-8")
    log.unlink(missing_ok=True)
    program = find_server()
    assert program is not None
    words = [program, "-c", "s.conf", "-p", "-1", "-a", "127.0.0.1", "-l", "log"]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while process.poll() is None:
                if log.exists() and "Server is ready" in log.read_text(encoding="utf-8"):
                    return _after(process, patience)
                time.sleep(0.005)
            return process.stderr.read() + (log.read_text(encoding="utf-8") if log.exists() else "")
        finally:
            process.kill()


def _after(process: subprocess.Popen[str], patience: float) -> str:
    try:
        return process.communicate(timeout=patience)[1] if patience else ""
    except subprocess.TimeoutExpired:
        return ""


def table(folder: Path, blocks: Iterable[str], *, values_alone: bool) -> Table:
    """Ask the server about *blocks*; with *values_alone* the words are those of the table as it is."""
    before = stored()
    program = find_server()
    assert program is not None
    here = listed() | {word for words in before.values() for word in words}
    everything = here | fields(Path(program))
    found: Table = {}
    for block in blocks:
        candidates = here if block in ONE_AT_A_TIME else everything
        words = set(before[block]) if values_alone else known(block, candidates, folder)
        found[block] = {word: kinds(block, word, folder) for word in sorted(words)}
    return found


def stored() -> Table:
    """Return the table as it is."""
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}


def main() -> int:
    """Write the table, and return the exit code."""
    chosen = [word for word in sys.argv[1:] if word != "--values"]
    with tempfile.TemporaryDirectory() as folder:
        asked = table(Path(folder), chosen or BLOCKS, values_alone="--values" in sys.argv[1:])
    lines = (
        f' "{block}": {{\n'
        + ",\n".join(f'  "{word}": {json.dumps(kinds)}' for word, kinds in words.items())
        + "\n }"
        for block, words in (stored() | asked).items()
    )
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
