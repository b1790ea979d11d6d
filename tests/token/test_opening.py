from __future__ import annotations

import _ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.errors import ModuleError, NoToken, TokenError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.module import load
from seedless.pkcs11.token import find_token, open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from subprocess import CompletedProcess

    from pytest_softhsm import SoftHSM
    from pytest_softhsm import Token as Made
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Child = Callable[..., CompletedProcess[str]]
    Given = Callable[..., Any]

SEED = bytes(range(32))


def test_a_token_is_found_by_any_part_of_what_it_reports(softhsm_token: Made) -> None:
    module = load(softhsm_token.module)
    serial = softhsm_token.serial
    for text in (
        f"pkcs11:serial={serial}",
        f"pkcs11:token={softhsm_token.label}",
        f"pkcs11:manufacturer=SoftHSM%20project;model=SoftHSM%20v2;serial={serial}",
        f"pkcs11:slot-id={find_token(module, KeyUri(serial=serial)).slot_id}",
        f"pkcs11:serial={serial};object=any;type=private?module-path=/no/such/module.so",
    ):
        assert find_token(module, KeyUri.parse(text)).serial == serial
    with pytest.raises(NoToken):
        find_token(module, KeyUri.parse(f"pkcs11:serial={serial};model=other"))


def test_no_match_lists_the_tokens_that_are_there(softhsm_token: Made) -> None:
    with pytest.raises(NoToken) as refused:
        find_token(load(softhsm_token.module), KeyUri(token="nowhere"))
    assert "no token matches pkcs11:token=nowhere" in refused.value.message
    assert f'token "{softhsm_token.label}" (serial {softhsm_token.serial})' in refused.value.message


def test_a_token_that_is_named_by_label_and_serial_is_reported_not_to_be_connected(
    softhsm_token: Made,
) -> None:
    with pytest.raises(NoToken) as refused:
        find_token(load(softhsm_token.module), KeyUri(token="GONE", serial="4711"))
    sentence = 'token "GONE" (serial 4711) is not connected: the module shows '
    assert refused.value.message.startswith(sentence)
    assert refused.value.hint == "connect it"


def test_two_tokens_with_one_label_are_refused_with_their_serials(softhsm: SoftHSM, opened: Open) -> None:
    twins = [softhsm.create("twin"), softhsm.create("twin")]
    module = load(twins[0].module)
    with pytest.raises(NoToken) as refused:
        find_token(module, KeyUri(token="twin"))
    assert "2 tokens match pkcs11:token=twin" in refused.value.message
    assert all(twin.serial in refused.value.message for twin in twins)
    assert "serial=" in refused.value.hint
    with pytest.raises(NoToken) as refused:
        find_token(module, KeyUri())
    assert "and none was named: " in refused.value.message
    assert refused.value.hint == "name one by its serial, as in pkcs11:serial=NUMBER"
    with opened(twins[1]) as token:
        assert token.info.serial == twins[1].serial
    for twin in twins:
        softhsm.remove(twin)


def test_an_uninitialised_token_is_called_so(softhsm_token: Made, given: Given) -> None:
    blank = next(info for info in load(softhsm_token.module).tokens() if not info.initialised)
    pins = given("1234")
    with (
        pytest.raises(NoToken, match=r"the uninitialised token in slot \d+ has to be initialised") as refused,
        open_token(KeyUri(slot_id=blank.slot_id), pins, module=softhsm_token.module),
    ):
        pass
    assert refused.value.hint == "seedless token init does it"
    assert pins.asked == []


def test_a_module_that_is_missing_is_named() -> None:
    with pytest.raises(
        ModuleError, match=r"cannot load the PKCS#11 module /no/such/module\.so: No such file"
    ):
        load(Path("/no/such/module.so"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is a text file, and long enough to be read as a header\n" * 4, id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x7fELF" + bytes(500), id="elf-header-only"),
    ],
)
def test_a_file_that_is_no_library_is_no_module(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "module.so"
    path.write_bytes(content)
    with pytest.raises(ModuleError, match=rf"cannot load {path}: "):
        load(path)


def test_a_folder_is_no_module(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="cannot load"):
        load(tmp_path)


def test_a_library_that_is_no_pkcs11_module_is_called_so() -> None:
    # A real shared library, wherever Python is.
    with pytest.raises(ModuleError, match="is a library and no PKCS#11 module"):
        load(Path(_ctypes.__file__))


def test_one_module_under_two_names_is_loaded_once(softhsm_token: Made, tmp_path: Path) -> None:
    link = tmp_path / "other-name.so"
    link.symlink_to(softhsm_token.module)
    assert load(link) is load(softhsm_token.module)


def test_a_module_that_another_part_of_the_program_initialised_is_refused(
    softhsm_token: Made, in_child: Child
) -> None:
    result = in_child(
        softhsm_token,
        "import pkcs11\n"
        "pkcs11.lib(str(MODULE))\n"
        "try:\n    load(MODULE)\n"
        "except SeedlessError as error:\n    print(type(error).__name__, error)\n",
    )
    assert result.stdout.startswith("ModuleError another part of this program has initialised ")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_broken_configuration_of_the_driver_is_explained(
    softhsm_token: Made, in_child: Child, tmp_path: Path
) -> None:
    result = in_child(
        softhsm_token,
        "try:\n    load(MODULE)\n"
        "except SeedlessError as error:\n    print(type(error).__name__, error, '|', error.hint)\n",
        SOFTHSM2_CONF=str(tmp_path / "missing.conf"),
    )
    assert result.stdout.startswith("ModuleError cannot initialise the module on ")
    assert "SOFTHSM2_CONF" in result.stdout


def test_a_token_without_eddsa_is_refused_before_the_pin_is_asked(
    softhsm: SoftHSM, softhsm_token: Made, in_child: Child, tmp_path: Path
) -> None:
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {softhsm.token_dir}\nslots.mechanisms = CKM_RSA_PKCS,CKM_SHA256\n"
    )
    result = in_child(
        softhsm_token,
        "class Never:\n"
        "    def pin(self, token, tries):\n        print('asked')\n"
        "try:\n"
        "    with open_token(URI, Never(), module=MODULE):\n        print('open')\n"
        "except SeedlessError as error:\n    print(type(error).__name__, error)\n",
        SOFTHSM2_CONF=str(configuration),
    )
    assert result.stdout == (
        f'TokenError token "{softhsm_token.label}" (serial {softhsm_token.serial}) '
        "cannot sign with Ed25519: it does not list CKM_EDDSA\n"
    ), result.stderr


def test_a_module_is_refused_in_a_forked_process(softhsm_token: Made, in_child: Child) -> None:
    result = in_child(
        softhsm_token,
        "with open_token(URI, Given(), module=MODULE, writable=True) as token:\n"
        "    key = token.generate('user:u')\n"
        "    signer = token.signer(PublicKey(Role.USER, key.raw))\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        for call in (lambda: load(MODULE), token.keys, lambda: signer.sign(b'x')):\n"
        "            try:\n                call()\n"
        "            except SeedlessError as error:\n"
        "                print(type(error).__name__, 'forked' in str(error), flush=True)\n"
        "        token._session.close()\n"
        "        os._exit(0)\n"
        "    print(os.waitpid(child, 0)[1], len(signer.sign(b'x')))\n",
    )
    assert result.stdout.split("\n") == ["ModuleError True"] * 3 + ["0 64", ""], result.stderr


def test_threads_with_their_own_sessions_sign_without_a_crash(softhsm_token: Made, in_child: Child) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    result = in_child(
        softhsm_token,
        "import threading\n"
        "from seedless.seeds import SoftwareKey\n"
        "software = SoftwareKey(Role.USER, bytes(range(32)))\n"
        "good = []\n"
        "def work(name):\n"
        "    with open_token(URI, Given(), module=MODULE) as token:\n"
        "        signer = token.signer(software.public_key)\n"
        "        for n in range(250):\n"
        "            message = b'%d %d' % (name, n)\n"
        "            good.append(signer.sign(message) == software.sign(message))\n"
        "threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(len(good), all(good))\n",
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "1000 True\n", "")


def test_a_closed_token_reports_that_it_is_closed_and_its_close_touches_no_other_session(
    softhsm_token: Made, opened: Open
) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    with opened(softhsm_token) as first:
        public_key = PublicKey(Role.USER, first.keys()[0].raw)
        stale = first.signer(public_key)
    with opened(softhsm_token) as second:
        signer = second.signer(public_key)
        first._session.close()
        with pytest.raises(TokenError, match="its session has been closed"):
            stale.sign(b"x")
        assert len(signer.sign(b"x")) == 64


def test_closing_one_token_leaves_another_session_logged_in_and_the_last_logs_out(
    softhsm_token: Made, opened: Open, given: Given
) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    unasked = given("never sent")
    with opened(softhsm_token) as first:
        with opened(softhsm_token, unasked) as second:
            assert len(second.keys()) == 1
        assert unasked.asked == []
        assert len(first.keys()) == 1
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins):
        assert len(pins.asked) == 1


def test_an_error_throws_the_session_away_and_the_next_opening_works(
    softhsm_token: Made, opened: Open
) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    with opened(softhsm_token) as token:
        with pytest.raises(TokenError, match="opened for reading only"):
            token.generate("user:x")
        with pytest.raises(TokenError, match="thrown away after an error") as refused:
            token.keys()
        assert refused.value.hint == "open the token again"
    with opened(softhsm_token) as token:
        assert len(token.keys()) == 1


def test_a_token_whose_files_vanish_ends_in_a_sentence(
    softhsm: SoftHSM, softhsm_token: Made, in_child: Child
) -> None:
    result = in_child(
        softhsm_token,
        "import shutil\n"
        f"folder = next(p for p in Path({str(softhsm.token_dir)!r}).iterdir()\n"
        f"              if p.name.replace('-', '').endswith({softhsm_token.serial!r}))\n"
        "with open_token(URI, Given(), module=MODULE, writable=True) as token:\n"
        "    key = token.generate('user:u')\n"
        "    signer = token.signer(PublicKey(Role.USER, key.raw))\n"
        "    shutil.rmtree(folder)\n"
        "    for call in (lambda: signer.sign(b'x'), token.keys):\n"
        "        try:\n            print(call())\n"
        "        except SeedlessError as error:\n            print(type(error).__name__, error)\n",
    )
    assert "Traceback" not in result.stderr
    assert result.stdout.startswith("NoToken cannot sign on token ")
    assert "the key is gone, or somebody logged out; now the token is gone" in result.stdout
