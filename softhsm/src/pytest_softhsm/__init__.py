"""Real SoftHSM tokens for pytest: the fixtures `softhsm` and `softhsm_token`, and their types."""

from __future__ import annotations

from pytest_softhsm._errors import SoftHSMError
from pytest_softhsm._keys import KeyPair
from pytest_softhsm._tokens import SoftHSM, Token

__all__ = ["KeyPair", "SoftHSM", "SoftHSMError", "Token"]
