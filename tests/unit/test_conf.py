"""Configurations: what nats-server accepts is parsed, and to these values."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seedless.errors import StoreError
from seedless.nats_config import Array, Configuration, Map, Scalar, SourcePlace, Value, load, parse

SERVER = Path(sysconfig.get_path("scripts")) / "nats-server"
ENVIRONMENT = {"WORD": "spoken", "NUMBER": "2kb", "LIST": "[a, b]", "LOOP": "$LOOP", "OTHER": "$WORD"}


def plain(value: Value) -> Any:  # noqa: ANN401 - what a configuration holds
    match value:
        case Scalar():
            return value.value
        case Array():
            return [plain(item) for item in value.items]
        case Map():
            return {member.key: plain(member.value) for member in value.each()}


def read(text: str, name: str = "s.conf") -> Configuration:
    return parse(text, name, ENVIRONMENT)


def metadata(text: str) -> Any:  # noqa: ANN401 - what a configuration holds
    return plain(read(text).root)


# Each is accepted by nats-server 2.15.1; server_metadata takes strings under any key.
ACCEPTED = {
    "nothing": ("", {}),
    "blanks": (" \n\t ", {}),
    "a comment": ("# c\n// d\n", {}),
    "a colon": ("server_name: x", {"server_name": "x"}),
    "an equals sign": ("server_name = x", {"server_name": "x"}),
    "a blank": ("server_name x", {"server_name": "x"}),
    "a value on the next line": ("server_name\n x", {"server_name": "x"}),
    "a separator on the next line": ("server_name\n= x", {"server_name": "x"}),
    "keys in quotes": ("\"server_name\" x\n'port' 4222", {"server_name": "x", "port": 4222}),
    "braces around all": ("{\nserver_name: x\n}\n", {"server_name": "x"}),
    "a brace too many": ("server_name: x }", {"server_name": "x"}),
    "a semicolon": ("server_name: x; port: 1", {"server_name": "x", "port": 1}),
    "a comma": ("server_name: x, port: 1", {"server_name": "x", "port": 1}),
    "a lone slash": ("server_name: x /\nport: 1", {"server_name": "x", "port": 1}),
    "comments behind values": ("server_name: x # c\nport: 1 // d", {"server_name": "x", "port": 1}),
    "a map": ("server_metadata: {a: b, c: d}", {"server_metadata": {"a": "b", "c": "d"}}),
    "a map without a separator": ("server_metadata {a b}", {"server_metadata": {"a": "b"}}),
    "all separators": ("server_metadata {a=b;c:d,e f}", {"server_metadata": {"a": "b", "c": "d", "e": "f"}}),
    "lines": ("server_metadata {\n a: b\n\n c: d\n}\n", {"server_metadata": {"a": "b", "c": "d"}}),
    "lines of Windows": (
        "server_metadata {\r\n a: b\r\n c: d\r\n}\r\n",
        {"server_metadata": {"a": "b", "c": "d"}},
    ),
    "comments in a map": ("server_metadata {//x\na: b # y\n}", {"server_metadata": {"a": "b"}}),
    "a value below its key in a map": ("server_metadata: {a:\n b}", {"server_metadata": {"a": "b"}}),
    "a word that holds signs": (
        'server_metadata: {a: x{y[z(w:=#"//}',
        {"server_metadata": {"a": 'x{y[z(w:=#"//'}},
    ),
    "a hash that is a word": ("server_metadata: {a: #c\n}", {"server_metadata": {"a": "#c"}}),
    "a quote that ends a word": (
        "server_metadata: {a: x'\n b: z}",
        {"server_metadata": {"a": "x", "b": "z"}},
    ),
    "escapes": (r'server_metadata: {a: "x\ty\x41\"\\z"}', {"server_metadata": {"a": 'x\tyA"\\z'}}),
    "escapes in a word": (r"server_metadata: {a: x\ty\x41}", {"server_metadata": {"a": "x\tyA"}}),
    "no escapes in single quotes": (
        r"""server_metadata: {a: 'x\ty"z'}""",
        {"server_metadata": {"a": 'x\\ty"z'}},
    ),
    "a string of two lines": ('server_metadata: {a: "x\ny"}', {"server_metadata": {"a": "x\ny"}}),
    "half a character, escaped": (r'server_metadata: {a: "\xc3\xa9"}', {"server_metadata": {"a": "é"}}),
    "empty strings": ("server_metadata: {a: \"\", b: ''}", {"server_metadata": {"a": "", "b": ""}}),
    "other scripts": ("server_metadata: {é: 日本}", {"server_metadata": {"é": "日本"}}),
    "blanks of Unicode": ("server_metadata: {a: \x85b, c:\xa0d}", {"server_metadata": {"a": "b", "c": "d"}}),
    "a block": (
        "server_metadata: {a: (\nhello\n world\n)\n}",
        {"server_metadata": {"a": "\nhello\n world\n"}},
    ),
    "a parenthesis in a block": (
        "server_metadata: {a: (\nhi)x\n)\n}",
        {"server_metadata": {"a": "\nhi)x\n"}},
    ),
    "a bcrypt hash": ("server_metadata: {a: $2a$11$abc}", {"server_metadata": {"a": "$2a$11$abc"}}),
    "numbers": ("max_payload: 5\nmax_pending: 010", {"max_payload": 5, "max_pending": 10}),
    "a negative number": ("port: -1", {"port": -1}),
    "thousands": ("max_payload: 1k", {"max_payload": 1000}),
    "kibibytes": ("max_payload: 2kb\nmax_pending: 2KiB", {"max_payload": 2048, "max_pending": 2048}),
    "mebibytes": ("max_payload: 1Mb\nmax_pending: 1m", {"max_payload": 1048576, "max_pending": 1000000}),
    "larger": (
        "max_pending: 1g\nmax_traced_msg_len: 1",
        {"max_pending": 1000000000, "max_traced_msg_len": 1},
    ),
    "gibibytes": ("max_pending: 1gb", {"max_pending": 1073741824}),
    "a fraction": ("authorization { timeout: 1.5 }", {"authorization": {"timeout": 1.5}}),
    "an address": ("listen: 127.0.0.1:4222", {"listen": "127.0.0.1:4222"}),
    "a version": ("server_metadata: {a: 1.2.3}", {"server_metadata": {"a": "1.2.3"}}),
    "words that begin with digits": (
        "server_metadata: {a: 5x, b: 1kx}",
        {"server_metadata": {"a": "5x", "b": "1kx"}},
    ),
    "booleans": ("debug: TRUE\ntrace: off\nlogtime: yes", {"debug": True, "trace": False, "logtime": True}),
    "a boolean in quotes": ('server_metadata: {a: "true"}', {"server_metadata": {"a": "true"}}),
    "a boolean with an escape": (r"server_metadata: {a: tru\x65}", {"server_metadata": {"a": "true"}}),
    "an array": ("server_tags: [a, b]", {"server_tags": ["a", "b"]}),
    "an array of lines": ("server_tags: [\na\nb # c\n// d\n c\n]", {"server_tags": ["a", "b", "c"]}),
    "an array with a comma at the end": ("server_tags: [a,]", {"server_tags": ["a"]}),
    "an empty array": ("server_tags: []", {"server_tags": []}),
    "a slash in an array": ("server_tags: [a / b]", {"server_tags": ["a", "b"]}),
    "a number in an array": ("server_tags: [1k]\nport: 1", {"server_tags": [1000], "port": 1}),
    "arrays of maps": (
        "authorization { users = [ {user: a, password: b}\n {user: c, password: d} ] }",
        {"authorization": {"users": [{"user": "a", "password": "b"}, {"user": "c", "password": "d"}]}},
    ),
    "a variable": ("v: q\nserver_metadata: {a: $v}", {"v": "q", "server_metadata": {"a": "q"}}),
    "a variable of the same map": (
        "server_metadata: {v: q, a: $v}",
        {"server_metadata": {"v": "q", "a": "q"}},
    ),
    "a variable that is a map": (
        "m: {b: c}\nserver_metadata: $m",
        {"m": {"b": "c"}, "server_metadata": {"b": "c"}},
    ),
    "a variable of the environment": ("server_metadata: {a: $WORD}", {"server_metadata": {"a": "spoken"}}),
    "a number of the environment": ("max_payload: $NUMBER", {"max_payload": 2048}),
    "a list of the environment": ("server_tags: $LIST", {"server_tags": ["a", "b"]}),
    "a variable of a variable": ("server_metadata: {a: $OTHER}", {"server_metadata": {"a": "spoken"}}),
    "no variable in quotes": ('server_metadata: {a: "$WORD"}', {"server_metadata": {"a": "$WORD"}}),
    "a key that stands twice": ("server_metadata: {a: b, a: c}", {"server_metadata": {"a": "c"}}),
    "a key called include": ("server_metadata: {include: x}", {"server_metadata": {"include": "x"}}),
    "an include": ("include ./one.conf\n", {"server_metadata": {"from": "one"}}),
    "an include in quotes": (
        "include 'one.conf'\ninclude \"two.conf\"",
        {"server_metadata": {"from": "one"}, "a": "b"},
    ),
    "an include in capitals": ("INCLUDE one.conf # c", {"server_metadata": {"from": "one"}}),
    "an include in a map": (
        "server_metadata { include two.conf\n c: d }",
        {"server_metadata": {"a": "b", "c": "d"}},
    ),
    "an include that begins with a slash": ("include /one.conf", {"server_metadata": {"from": "one"}}),
    "an include of an include": ("include sub/three.conf", {"server_metadata": {"from": "one"}}),
    "a variable from an include": ("include two.conf\nserver_name: $a", {"a": "b", "server_name": "b"}),
    "an include twice": ("include one.conf\ninclude one.conf", {"server_metadata": {"from": "one"}}),
    "a folder above": ("include sub/../one.conf", {"server_metadata": {"from": "one"}}),
}
# They are accepted as configuration language, and refused for what they say, or for saying nothing.
NOT_SAID = {
    "nothing",
    "blanks",
    "a comment",
    "a list of the environment",
    "a number in an array",
    "an include in quotes",
    "larger",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "sub").mkdir()
    (folder / "one.conf").write_text("server_metadata: {from: one}\n")
    (folder / "two.conf").write_text("a: b")
    (folder / "sub/three.conf").write_text("include ../one.conf")
    return folder


@pytest.mark.parametrize(("text", "values"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_configuration_has_these_values(folder: Path, text: str, values: dict[str, Any]) -> None:
    assert plain(parse(text, str(folder / "s.conf"), ENVIRONMENT).root) == values


@pytest.mark.parametrize("name", sorted(ACCEPTED.keys() - NOT_SAID))
def test_the_real_server_accepts_it(folder: Path, name: str) -> None:
    path = folder / f"{name.replace(' ', '-')}.conf"
    path.write_text(ACCEPTED[name][0], newline="")
    done = subprocess.run(
        [SERVER, "-t", "-c", path.name],
        cwd=folder,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


REFUSED = {
    "a value on a later line": ("port:\n1", "s.conf:1:6: a value should be on this line"),
    "a key alone": ("port: 1\nserver_name", 's.conf:2:1: "server_name" has no value'),
    "a key alone in a map": ("a: {b }", 's.conf:1:5: "b" has no value'),
    "a separator too many": ("= x", 's.conf:1:1: a key is missing before "="'),
    "two values": ("a: b c", 's.conf:1:6: a value should end here, and "c" follows'),
    "an open map": ("a: {b: c\n", "s.conf:2:1: a brace { is never closed"),
    "an open array": (
        "a: [b",
        "s.conf:1:6: a value of an array should end here, and the end of the file follows",
    ),
    "an array without a comma": (
        "a: [b c]",
        's.conf:1:7: a value of an array should end here, and "c" follows',
    ),
    "an array with a hole": ("a: [b,,c]", 's.conf:1:7: a value is missing before ","'),
    "a bracket in a map": ("a: {]}", "s.conf:1:5: a bracket ] is where a key should be"),
    "an open quote": ("a: 'b", "s.conf:1:4: the quote ' is never closed"),
    "an open double quote": ('a: "b\nc', 's.conf:1:4: the quote " is never closed'),
    "an open block": ("a: ( b )", "s.conf:1:4: the block is never closed"),
    "no such escape": (r'a: "\q"', "s.conf:1:5: no such escape"),
    "half an escape": (r'a: "\x4"', "s.conf:1:5: no such escape"),
    "a number without a head": ("a: .5", "s.conf:1:4: a number begins with a digit"),
    "a date that is none": ("a: 2020-01-02", "s.conf:1:4: what begins like a number is none"),
    "a month too many": ("a: 2020-13-02T03:04:05Z", "s.conf:1:4: there is no such date or time"),
    "a number too large": ("a: 9223372036854775808", "s.conf:1:4: the number does not fit into 64 bits"),
    "a number far too large": ("a: " + "9" * 5000, "s.conf:1:4: the number does not fit into 64 bits"),
    "a fraction too large": ("a: " + "9" * 400 + ".5", "s.conf:1:4: the number is too large"),
    "a suffix that is none": ("a: 2kbb", "s.conf:1:4: kbb is not a suffix of a number"),
    "no such variable": ("a: b\nc: $d", 's.conf:2:4: there is no variable "d"'),
    "a variable that comes later": ("a: $b\nb: c", 's.conf:1:4: there is no variable "b"'),
    "a variable that leads to itself": ("a: $LOOP", '$LOOP:1:4: there is no variable "LOOP"'),
    "a zero character": ("a: b\0", "s.conf:1:5: a zero character is here"),
    "an include of a map": ("include {a}", "s.conf:1:9: the name of a file should follow include"),
    "an include of nothing": ("include \n", "s.conf:1:9: the name of a file should follow include"),
    "an include that is not there": ("\ninclude no.conf", "s.conf:2:1: there is no file no.conf"),
    "too many levels": ("a: " + "[" * 60, "s.conf:1:53: there are more than 50 levels"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_reported_with_its_place(text: str, message: str) -> None:
    with pytest.raises(StoreError) as refused:
        read(text)
    assert refused.value.message == message


def test_a_time_is_read() -> None:
    assert metadata("a: 2020-01-02T03:04:05Z") == {"a": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)}


def test_a_key_that_looks_like_a_seed_is_not_quoted() -> None:
    with pytest.raises(StoreError) as refused:
        read("SUAM" + "A" * 54)
    assert refused.value.message == "s.conf:1:1: a key that looks like a seed has no value"


def test_every_value_has_its_place(folder: Path) -> None:
    path = folder / "places.conf"
    path.write_text('v: q\nm {\n  "a": [ 1,\n\t$v ]\n  include two.conf\n}\n')
    found = load(path, {}).root
    member = found.find("m")
    assert member is not None
    assert isinstance(member.value, Map)
    array, included = (one.value for one in member.value.members)
    assert isinstance(array, Array)
    name = str(path)
    assert (member.place, member.value.place) == (SourcePlace(name, 2, 1), SourcePlace(name, 2, 3))
    assert (array.place, *(item.place for item in array.items)) == (
        SourcePlace(name, 3, 8), SourcePlace(name, 3, 10), SourcePlace(name, 4, 2),
    )  # fmt: skip
    assert included.place == SourcePlace(str(folder / "two.conf"), 1, 4)
    assert str(member.place) == f"{path}:2:1"


def test_the_keys_used_as_variables_and_the_names_asked_for_are_known() -> None:
    found = read("a: b\nc: $a\nd: $WORD")
    assert (found.variables, found.environment) == ({SourcePlace("s.conf", 1, 1)}, {"WORD"})


def test_the_last_of_two_keys_counts_and_both_are_kept() -> None:
    root = read("A: 1\na: 2").root
    assert [member.key for member in root.members] == ["A", "a"]
    found = root.find("a")
    assert found is not None
    assert plain(found.value) == 2


def test_includes_that_come_back_are_reported_with_their_chain(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("include b.conf")
    (tmp_path / "b.conf").write_text("port: 1\ninclude a.conf")
    with pytest.raises(StoreError) as refused:
        load(tmp_path / "a.conf", {})
    a, b = tmp_path / "a.conf", tmp_path / "b.conf"
    assert refused.value.message == f"{b}:2:1: the configuration includes itself: {a} → {b} → {a}"


def test_an_error_in_an_included_file_is_reported_with_its_place_there(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("v: x\ninclude b.conf")
    (tmp_path / "b.conf").write_text("port: 1\nname: $v")
    with pytest.raises(StoreError) as refused:
        load(tmp_path / "a.conf", {})
    assert refused.value.message == f'{tmp_path}/b.conf:2:7: there is no variable "v"'


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.conf").write_text("include pipe")
    with pytest.raises(StoreError, match=r"a\.conf:1:1: .*pipe is not a regular file"):
        load(tmp_path / "a.conf", {})
    with pytest.raises(StoreError, match="there is no file"):
        load(tmp_path / "nope.conf", {})


def test_files_that_include_each_other_twice_are_read_once(tmp_path: Path) -> None:
    for level in range(30):
        (tmp_path / f"l{level}.conf").write_text(f"include l{level + 1}.conf\n" * 2 + f"k{level}: {level}\n")
    (tmp_path / "l30.conf").write_text("last: 1\n")
    found = load(tmp_path / "l0.conf", {})
    assert len(found.root.each()) == 31
    assert len(found.files) == 31


def test_variables_that_double_are_shared() -> None:
    lines = ["v0: [a, a]", *(f"v{n}: [$v{n - 1}, $v{n - 1}]" for n in range(1, 40))]
    assert len(read("\n".join(lines)).root.members) == 40


def test_variables_of_the_environment_that_double_are_shared() -> None:
    environment = {f"V{n}": f"[$V{n + 1}, $V{n + 1}]" for n in range(20)} | {"V20": "x"}
    assert len(parse("a: $V0", "s.conf", environment).root.members) == 1


def test_too_many_included_keys_are_refused(tmp_path: Path) -> None:
    (tmp_path / "many.conf").write_text("".join(f"k{n}: 1\n" for n in range(2_000)))
    (tmp_path / "a.conf").write_text("include many.conf\n" * 51)
    with pytest.raises(StoreError, match=r"a\.conf:51:1: more than 100000 keys are included"):
        load(tmp_path / "a.conf", {})


def test_a_file_that_is_not_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_bytes(b"a: \xff\nb: c")
    assert plain(load(tmp_path / "a.conf", {}).root) == {"a": "\udcff", "b": "c"}
