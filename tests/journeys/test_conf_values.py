"""What a real server understands by a configuration, beside what the parser does."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from seedless.nats_config import Map, Scalar, parse

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA = r"""
word: spoken
server_metadata {
  plain: x, "in quotes" = 'x\ty"z'; escaped "x\ty\x41\"\\z"
  bare: x\ty\x41
  half: "\xc3\xa9"
  signs: x{y[z(w:=#"//
  hash: #c
  quote: x'
  block: (
 one
)no
)
  "two
lines": "x
y"
  hash_of_a_password: $2a$11$abc
  variable: $word
  not_one: "$word"
  digits: 5x, more: 1kx, address: 127.0.0.1:80, version: 1.2.3
  truth: "true", "spelled" tru\x65
  twice: a
  twice: b
  é: 日本 # the end
}
"""


def test_the_server_understands_what_the_parser_does(nats_server: Callable[[str], Any]) -> None:
    server = nats_server(f'http: "127.0.0.1:-1"\n{METADATA}')
    (ports,) = server.folder.glob("*.ports")
    address = json.loads(ports.read_text(encoding="utf-8"))["monitoring"][0]
    with urllib.request.urlopen(f"{address}/varz") as answer:  # noqa: S310 - a server of this test
        understood = json.load(answer)["metadata"]
    member = parse(METADATA, "s.conf", {}).root.find("server_metadata")
    assert member is not None
    assert isinstance(member.value, Map)
    parsed = {one.key: one.value.value for one in member.value.each() if isinstance(one.value, Scalar)}
    assert parsed == understood
    assert len(parsed) == 21
