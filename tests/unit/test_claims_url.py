from __future__ import annotations

import time

import pytest

from seedless.claims.url import is_url


@pytest.mark.parametrize(
    "text",
    [
        "nats://h", "nats://h:4222", "NATS://H:4222", "tls://h:1,tls://h2:2", "http://h", "https://h:/x",
        "nats://u:p@h", "nats://u@x@h", "nats://ä.example", "nats://%e4", "nats://h%25", "nats://", "nats:///x",
        "nats://h/a b", "nats://h?%zz", "nats://h?a b", "nats://h#%20", "nats://h#\x01", "nats:", "nats:%zz",
        "nats:a b", "a+b.c-1://h", "nats://[::1]", "nats://[::1]:4222", "nats://[fe80::1%25en0]",
        "nats://[fe80::1%25e%20n]", "nats://[::ffff:1.2.3.4]:80", 'nats://a"b<c>d', "nats://h]", "nats://1:2:3",
    ],
)  # fmt: skip
def test_go_takes(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "h", "h:x/y"[1:], "://h", "1nats://h", "/x", "//h", "*", "nats host://h", "nä://h", "nats://h:port",
        "nats://h:1x", "nats://a b", "nats://a\\b", "nats://a|b", "nats://%41", "nats://%zz", "nats://h/%zz",
        "nats://h/%2", "nats://h#%zz", "nats://h\x01", "nats://h/\x7f", "nats://h?\n", "nats://a[::1]",
        "nats://[::1", "nats://[::1]x", "nats://[::1]:x", "nats://[]", "nats://[1.2.3.4]", "nats://[::1%25]",
        "nats://[::1%41]", "nats://[::01.2.3.4]", "nats://[fe80::1%25e%41|]", "nats://[::1%25%c3]",
        "nats://u|p@h", "nats://ü@h", "nats://%zz@h", "http://1:2:3", "https://h:1,h:2", "nats://[[::1]]",
        "nats://[::1][::1]",
    ],
)  # fmt: skip
def test_go_refuses(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "nats://" + "1:" * 300_000 + "x",
        "nats://" + "@" * 600_000,
        "nats://" + "%25" * 200_000 + "%",
        "nats://[" + ":" * 600_000 + "]",
        "nats://[::1%25" + "%41" * 200_000 + "]",
    ],
    ids=["colons", "at signs", "escapes", "a long address", "a long zone"],
)
def test_a_long_text_takes_no_more_than_linear_time(text: str) -> None:
    before = time.process_time()
    is_url(text)
    assert time.process_time() - before < 5
