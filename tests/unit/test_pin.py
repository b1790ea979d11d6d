from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.errors import PinError, UsageError
from seedless.pin import (
    PromptPin,
    Tries,
    command_pin,
    descriptor_pin,
    environment_pin,
    file_pin,
    parse_pin_source,
    require_source,
    uri_pin_source,
)

if TYPE_CHECKING:
    from pathlib import Path

PIN = "hunter2"


def test_the_variable_is_taken_out_of_the_environment_and_the_pin_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_PIN", PIN)
    source = parse_pin_source("env:TEST_PIN")
    assert "TEST_PIN" in os.environ  # not before it is wanted
    assert source.pin("token", "") == PIN
    assert "TEST_PIN" not in os.environ
    child = [sys.executable, "-c", "import os; print('TEST_PIN' in os.environ)"]
    assert subprocess.run(child, capture_output=True, check=True).stdout == b"False\n"
    assert source.pin("token", "low") == PIN


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(PinError, match="the environment variable TOKEN_PIN is not set"):
        environment_pin("TOKEN_PIN", {}).pin("token", "")


@pytest.mark.parametrize(
    ("content", "pin"),
    [
        pytest.param(b"hunter2", "hunter2", id="bare"),
        pytest.param(b"hunter2\n", "hunter2", id="line"),
        pytest.param(b"hunter2\r\n", "hunter2", id="dos-line"),
        pytest.param(b" hun ter2 \n", " hun ter2 ", id="blanks-kept"),
        pytest.param("üñ\n".encode(), "üñ", id="utf-8"),
    ],
)
def test_a_file_gives_its_line(tmp_path: Path, content: bytes, pin: str) -> None:
    path = tmp_path / "pin"
    path.touch(0o600)
    path.write_bytes(content)
    assert parse_pin_source(f"file:{path}").pin("token", "") == pin


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="empty-line"),
        pytest.param(b"hunter2\nhunter3\n", "longer than one line", id="two-lines"),
        pytest.param(b"hunter2\n\n", "longer than one line", id="two-line-ends"),
        pytest.param(b"hunter2\0", "longer than one line", id="nul"),
        pytest.param(b"hunter2" * 1000, "longer than one line", id="long"),
        pytest.param(b"hunter2\xff", "is not UTF-8", id="latin-1"),
    ],
)
def test_a_file_that_holds_no_pin_is_refused_and_not_quoted(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "pin"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(PinError, match=message) as refused:
        file_pin(path).pin("token", "")
    assert "hunter" not in repr((refused.value.args, refused.value.hint, refused.value.__cause__))


@pytest.mark.parametrize("mode", [pytest.param(m, id=f"{m:o}") for m in (0o644, 0o640, 0o604, 0o620, 0o602)])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pin"
    path.write_text(PIN)
    path.chmod(mode)
    with pytest.raises(PinError, match="is open to others than its owner") as refused:
        file_pin(path).pin("token", "")
    assert refused.value.hint == f"chmod 600 {path}"


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("fifo", "folder"):
        with pytest.raises(PinError, match="is not a regular file"):
            file_pin(tmp_path / name).pin("token", "")
    with pytest.raises(PinError, match="No such file"):
        file_pin(tmp_path / "missing").pin("token", "")


def test_an_empty_file_is_found_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.touch(0o600)
    with pytest.raises(PinError, match=f"{path} is empty"):
        require_source(file_pin(path))


def test_a_relative_path_that_is_missing_is_shown_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PinError, match=f"cannot read the PIN from {tmp_path}/pin: No such file"):
        parse_pin_source("file:pin").pin("token", "")


def test_a_link_to_a_good_file_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch(0o400)
    target.chmod(0o600)
    target.write_text(PIN)
    link.symlink_to(target)
    assert file_pin(link).pin("token", "") == PIN


def test_a_descriptor_gives_one_line_and_leaves_the_rest() -> None:
    end, start = os.pipe()
    os.write(start, b"hunter2\nfor somebody else")
    source = parse_pin_source(f"fd:{end}")
    assert source.pin("token", "") == source.pin("token", "low") == PIN
    assert os.read(end, 100) == b"for somebody else"
    os.close(start)
    with pytest.raises(PinError, match="is empty"):
        descriptor_pin(end).pin("token", "")
    os.close(end)


def test_a_descriptor_that_is_not_open_is_named() -> None:
    with pytest.raises(PinError, match="cannot read the PIN from descriptor 9999: Bad file descriptor"):
        parse_pin_source("fd:9999").pin("token", "")


@pytest.mark.parametrize(
    ("tries", "question"),
    [
        pytest.param(Tries.ENOUGH, "PIN for my token: ", id="enough"),
        pytest.param(Tries.LOW, "PIN for my token (few tries left): ", id="low"),
        pytest.param(Tries.LAST, "PIN for my token (LAST try before it locks): ", id="last"),
    ],
)
def test_the_question_shows_the_tries_left(tries: Tries, question: str) -> None:
    asked = []
    source = PromptPin(lambda text: asked.append(text) or PIN)
    assert (source.pin("my token", tries), asked) == (PIN, [question])


_ASK = "from seedless.pin import parse_pin_source; print(len(parse_pin_source('prompt').pin('my token', '')))"


def test_the_prompt_asks_on_the_terminal_without_echo() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", _ASK])  # noqa: S606 - our own interpreter
    seen = b""
    while b"PIN for my token: " not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, PIN.encode() + b"\n")
    try:
        while data := os.read(terminal, 1000):
            seen += data
    except OSError:
        pass  # Linux: the other end is closed
    assert os.waitpid(child, 0)[1] == 0
    assert seen.replace(b"\r\n", b"\n") == b"PIN for my token: \n7\n"


def test_the_prompt_refuses_where_there_is_no_terminal() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ASK],
        input=PIN,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert "PinError: there is no terminal to ask for the PIN" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hunter2", id="a-pin"),
        pytest.param("", id="nothing"),
        pytest.param("pin:hunter2", id="unknown-kind"),
        pytest.param("prompt:hunter2", id="prompt-with-more"),
        pytest.param("env:", id="env-without-name"),
        pytest.param("env:hunter 2", id="env-with-blank"),
        pytest.param("env:1hunter2", id="env-with-digit"),
        pytest.param("file:", id="file-without-path"),
        pytest.param("file:hunter2\0", id="file-with-nul"),
        pytest.param("fd:hunter2", id="fd-without-number"),
        pytest.param("fd:-1", id="fd-negative"),
        pytest.param("fd:٣", id="fd-arabic-digit"),
    ],
)
def test_a_source_that_is_not_understood_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_pin_source(text)
    assert "hunter" not in refused.value.message + refused.value.hint


def test_no_source_shows_its_pin(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.touch(0o600)
    path.write_text(PIN)
    sources = [environment_pin("NAME", {"NAME": PIN}), file_pin(path), PromptPin(lambda _: PIN)]
    for source in sources:
        assert source.pin("token", "") == PIN
        assert PIN not in repr(source) + str(source)


def test_a_command_prints_the_pin_and_is_run_once_without_a_shell(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('$HOME;{PIN}')"
    source = parse_pin_source(f'cmd:"{sys.executable}" -c "{code}"')
    assert [source.pin("token", ""), source.pin("token", "low")] == [f"$HOME;{PIN}"] * 2
    assert (tmp_path / "runs").read_text() == "x"
    assert PIN not in repr(source)


def test_a_command_inherits_no_pin_and_no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    environment_pin("CEREMONY_WORD")
    for name in ("CEREMONY_WORD", "PIN", "SO_PIN", "SEEDLESS_PIN", "my_user_pin"):
        monkeypatch.setenv(name, PIN)
    monkeypatch.setenv("SPINNING", "kept")
    found = f"[name for name, value in os.environ.items() if {PIN!r} in value]"
    code = f"import os, sys; print({found}, os.environ['SPINNING'], sys.stdin.read())"
    assert command_pin([sys.executable, "-c", code]).pin("token", "") == "[] kept "


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("raise SystemExit(3)", "gave no PIN and ended with status 3", id="status"),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)", "gave no PIN and ended with signal 9", id="signal"
        ),
        pytest.param(f"print({PIN!r}); raise SystemExit(1)", "ended with status 1", id="pin-and-failure"),
        pytest.param("pass", "is empty", id="nothing"),
        pytest.param(f"print({PIN!r}); print({PIN!r})", "longer than one line", id="two-lines"),
        pytest.param("import os; os.write(1, b'\\xff')", "is not UTF-8", id="not-utf-8"),
        pytest.param("while True: print('x' * 9999)", "signal|status|longer", id="endless"),
    ],
)
def test_a_command_that_gives_no_pin_is_named_and_its_output_is_not_shown(
    code: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PinError, match=said) as refused:
        command_pin([sys.executable, "-c", code]).pin("token", "")
    assert PIN not in repr(refused.value) + refused.value.hint
    assert capfd.readouterr().out == ""


def test_a_command_that_is_not_there_is_named_without_its_arguments() -> None:
    with pytest.raises(PinError, match="cannot run no-such-program for the PIN: No such file") as refused:
        parse_pin_source("cmd:/opt/no-such-program --key hunter2").pin("token", "")
    assert PIN not in repr(refused.value) + refused.value.hint


def test_a_long_command_is_refused_before_its_words_are_counted() -> None:
    parse_pin_source("cmd:" + "a" * 4096)
    with pytest.raises(UsageError, match="cmd: has more than 4096 characters"):
        parse_pin_source("cmd:" + "a" * 4097)


@pytest.mark.parametrize("text", ["cmd:", "cmd:   ", "cmd:'open", "cmd:a\0b"])
def test_a_command_that_cannot_be_read_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UsageError, match="cmd: requires a program and its arguments"):
        parse_pin_source(text)


def test_the_source_in_a_uri_counts_only_if_the_person_gave_the_uri(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.touch(0o600)
    path.write_text(PIN)
    for text in (str(path), f"file:{path}", f"file://{path}", f"|cat {path}", f"cmd:cat {path}"):
        source = uri_pin_source(text, is_ours=True)
        assert source is not None
        assert source.pin("token", "") == PIN
        assert uri_pin_source(text, is_ours=False) is None
    assert uri_pin_source(None, is_ours=True) is None
    with pytest.raises(UsageError, match="the source of the PIN is not understood"):
        uri_pin_source("https://example.com/pin", is_ours=True)
