"""p11-kit before SoftHSM: it gives another list of functions at each C_GetFunctionList."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm

PROXY = next(Path("/usr/lib").glob("**/p11-kit-proxy.so"), None)
CLIENT = next(Path("/usr/lib").glob("**/pkcs11/p11-kit-client.so"), None)
SIGN = """
with open_token(URI, Given(), module=Path(os.environ["BEFORE"]), writable=True) as token:
    key = token.generate("user:u")
    public_key = PublicKey(Role.USER, key.raw)
    public_key.verify(token.signer(public_key).sign(b"message"), b"message")
    module = load(Path(os.environ["BEFORE"]))
    generation = module.generation
    module.start_anew(generation)
    public_key.verify(token.signer(public_key).sign(b"more"), b"more")
    print(len(token.keys()), module.generation - generation)
"""


@pytest.fixture
def home(softhsm: pytest_softhsm.SoftHSM, tmp_path: Path) -> Path:
    """A home where p11-kit is configured for SoftHSM alone."""
    folder = tmp_path / ".config/pkcs11"
    (folder / "modules").mkdir(parents=True)
    (folder / "pkcs11.conf").write_text("user-config: only\n", encoding="ascii")
    (folder / "modules/softhsm.module").write_text(f"module: {softhsm.module}\n", encoding="ascii")
    return tmp_path


@pytest.mark.skipif(PROXY is None, reason="p11-kit is not installed")
def test_the_list_of_functions_that_is_initialised_is_the_one_that_is_used(
    softhsm_token: pytest_softhsm.Token, in_child: Callable[..., Any], home: Path
) -> None:
    done = in_child(softhsm_token, SIGN, HOME=str(home), BEFORE=str(PROXY))
    assert (done.stdout, done.stderr, done.returncode) == ("1 1\n", "", 0)
