from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seedless import config
from seedless.config import Config, choose_module, load
from seedless.errors import ModuleError, StoreError, UsageError
from seedless.pkcs11.uri import KeyUri

URI = "pkcs11:token=ops"
ONE = Config(modules=(Path("/lib/one/libone.so"),))
TWO = Config(modules=(Path("/lib/one/libone.so"), Path("/lib/two.so")))


def write(folder: Path, text: str) -> dict[str, str]:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return {"SEEDLESS_CONFIG": str(path)}


def test_everything_in_it_is_read(tmp_path: Path) -> None:
    environment = write(
        tmp_path,
        'store = "/nats"\nmodules = ["/lib/a.so", "/lib/b.so"]\npin-source = "env:PIN"\n'
        f'[uris]\n"my token" = "{URI};serial=1"\n',
    )
    found = load(environment)
    assert found.store == Path("/nats")
    assert found.modules == (Path("/lib/a.so"), Path("/lib/b.so"))
    assert found.pin_source == "env:PIN"
    assert dict(found.uris) == {"my token": KeyUri(token="ops", serial="1")}


def test_its_folder_is_that_of_xdg_and_need_not_exist(tmp_path: Path) -> None:
    assert load({"HOME": str(tmp_path)}) == Config()
    folder = tmp_path / "config" / "seedless"
    folder.mkdir(parents=True, mode=0o700)
    write(folder, 'store = "/nats"')
    assert load({"XDG_CONFIG_HOME": str(tmp_path / "config")}).store == Path("/nats")
    assert load({"HOME": str(tmp_path), "XDG_CONFIG_HOME": "config"}) == Config()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load({"SEEDLESS_CONFIG": str(tmp_path / "no.toml")})
    assert caught.value.message == f"there is no file {tmp_path}/no.toml"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("store", "expected '=' after a key", id="not toml"),
        pytest.param('stroe = "/nats"', "stroe is not known", id="unknown name"),
        pytest.param('"a\\u001b" = 1', r'"a\u001b" is not known', id="unprintable name"),
        pytest.param("store = 1", "store is not text", id="number"),
        pytest.param('store = "nats"', "store is not an absolute path", id="relative store"),
        pytest.param('modules = "/lib/a.so"', "modules is not a list", id="no list"),
        pytest.param(
            'modules = ["/a.so", "b.so"]', "modules[1] is not an absolute path", id="relative module"
        ),
        pytest.param("modules = [1]", "modules[0] is not text", id="module a number"),
        pytest.param("[uris]\na = 1", "uris.a is not text", id="uri a number"),
        pytest.param('[uris]\na = "x:y"', "uris.a: this is not a PKCS#11 URI", id="no uri"),
        pytest.param(
            '[uris]\na = "pkcs11:?pin-value=1234"', "uris.a: the PKCS#11 URI holds a pin-value", id="pin"
        ),
    ],
)
def test_what_is_wrong_in_it_is_reported_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(StoreError) as caught:
        load(write(tmp_path, text))
    assert caught.value.message.startswith(f"{tmp_path}/config.toml: {sentence}")
    assert "1234" not in caught.value.message


def test_bytes_that_are_no_text_are_reported(tmp_path: Path) -> None:
    environment = write(tmp_path, "")
    Path(environment["SEEDLESS_CONFIG"]).write_bytes(b"\xff")
    with pytest.raises(StoreError, match=r"config.toml: not UTF-8: byte 0xff \(at line 1\)"):
        load(environment)


@pytest.mark.parametrize("mode", [0o620, 0o602], ids=["group", "all"])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    environment = write(tmp_path, "")
    (tmp_path / "config.toml").chmod(mode)
    with pytest.raises(StoreError) as caught:
        load(environment)
    assert caught.value.message == f"{tmp_path}/config.toml can be written by others"
    assert caught.value.hint.endswith(f"chmod go-w {tmp_path}/config.toml")


def test_a_file_in_a_folder_that_others_can_write_is_refused_unless_it_is_sticky(tmp_path: Path) -> None:
    environment = write(tmp_path, "")
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError, match="can be written by others"):
        load(environment)
    tmp_path.chmod(0o1777)
    assert load(environment) == Config()


def test_a_file_of_another_user_is_refused_and_one_of_root_is_not() -> None:
    path = Path("/config.toml")
    owned_by = [os.stat_result((0o100600, 0, 0, 1, user, 0, 0, 0, 0, 0)) for user in (0, 1000, 1001)]
    config._require_owned(path, owned_by[0], 1000, "it decides who gets your PIN")
    config._require_owned(path, owned_by[1], 1000, "it decides who gets your PIN")
    with pytest.raises(StoreError, match="belongs to another user"):
        config._require_owned(path, owned_by[2], 1000, "it decides who gets your PIN")


@pytest.mark.parametrize(
    ("settings", "named", "uri", "ours", "expected"),
    [
        pytest.param(TWO, "/opt/x.so", f"{URI}?module-path=/lib/two.so", True, "/opt/x.so", id="named"),
        pytest.param(Config(), None, f"{URI}?module-path=/opt/x.so", True, "/opt/x.so", id="typed uri"),
        pytest.param(TWO, None, f"{URI}?module-path=/lib/two.so", False, "/lib/two.so", id="listed path"),
        pytest.param(TWO, None, f"{URI}?module-name=one", False, "/lib/one/libone.so", id="listed name"),
        pytest.param(TWO, None, f"{URI}?module-name=two", True, "/lib/two.so", id="listed name, typed"),
        pytest.param(ONE, None, URI, False, "/lib/one/libone.so", id="the only one"),
    ],
)
def test_the_module_is_the_one_that_the_owner_chose(
    settings: Config, named: str | None, uri: str, expected: str, *, ours: bool
) -> None:
    assert choose_module(settings, named, KeyUri.parse(uri), uri_is_ours=ours) == Path(expected)


@pytest.mark.parametrize(
    ("settings", "uri", "ours", "sentence"),
    [
        pytest.param(
            ONE,
            f"{URI}?module-path=/tmp/evil.so",
            False,
            'the URI names the module "/tmp/evil.so", which is not listed',
            id="a uri brings its own",
        ),
        pytest.param(
            ONE,
            f"{URI}?module-path=/lib/one/../one/libone.so",
            False,
            'the URI names the module "/lib/one/../one/libone.so", which is not listed',
            id="another spelling",
        ),
        pytest.param(
            ONE,
            f"{URI}?module-name=evil",
            True,
            'the URI names the module "evil", which is not listed',
            id="name",
        ),
        pytest.param(
            TWO,
            URI,
            True,
            "the configuration lists 2 PKCS#11 modules: /lib/one/libone.so, /lib/two.so",
            id="two",
        ),
        pytest.param(Config(), URI, True, "no PKCS#11 module is named", id="none"),
    ],
)
def test_no_module_is_loaded_that_the_owner_did_not_choose(
    settings: Config, uri: str, sentence: str, *, ours: bool
) -> None:
    with pytest.raises(ModuleError) as caught:
        choose_module(settings, None, KeyUri.parse(uri), uri_is_ours=ours)
    assert caught.value.message == sentence
    assert "--module PATH" in caught.value.hint


def test_a_relative_module_of_the_command_line_is_of_this_folder_and_not_of_the_library_path() -> None:
    assert choose_module(Config(), "libx.so", KeyUri(), uri_is_ours=False) == Path.cwd() / "libx.so"


def test_where_softhsm_lies_is_reported_only_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libsofthsm2.so"
    monkeypatch.setattr(config, "_SOFTHSM", (str(library),))
    for expected in (False, True):
        with pytest.raises(ModuleError) as caught:
            choose_module(Config(), None, KeyUri(), uri_is_ours=False)
        assert (f"SoftHSM's is {library}" in caught.value.hint) is expected
        library.touch()


@pytest.mark.parametrize(
    "module", ["seedless.config", "seedless.inventory", "seedless.store", "seedless.creds"]
)
def test_importing_it_loads_no_hardware_and_no_network(module: str) -> None:
    code = (
        f"import sys, {module}; print([m for m in ('pkcs11', 'nacl', 'nats', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
