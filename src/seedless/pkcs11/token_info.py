"""What a token reports of itself, as values; and whether a URI means it.

Text from a token is foreign: `where` escapes what could move a terminal's cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless.pin import Tries
from seedless.pkcs11.families import quirks_of
from seedless.text import between_quotes

if TYPE_CHECKING:
    from seedless.pkcs11.families import Quirks
    from seedless.pkcs11.uri import KeyUri


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What C_GetTokenInfo and C_GetSlotInfo report (PKCS#11 2.40 §3.2). A blank token has no label.

    `library` is what the driver calls itself: its maker, its name and its version.
    """

    label: str
    manufacturer: str
    model: str
    serial: str
    slot_id: int
    slot_description: str = ""
    slot_manufacturer: str = ""
    hardware_version: str = ""
    firmware_version: str = ""
    initialised: bool
    login_required: bool = True
    user_pin_initialised: bool = True
    user_pin_count_low: bool = False
    user_pin_final_try: bool = False
    user_pin_locked: bool = False
    so_pin_final_try: bool = False
    so_pin_locked: bool = False
    protected_authentication_path: bool = False
    write_protected: bool = False
    library: str = ""

    @property
    def quirks(self) -> Quirks:
        """What is known of this family of devices."""
        return quirks_of(self.manufacturer, self.model, self.firmware_version, self.library)

    @property
    def where(self) -> str:
        """The token in an error: its label and serial, safe to print."""
        if not self.initialised:
            return f"the uninitialised token in slot {self.slot_id}"
        return f'token "{between_quotes(self.label)}" (serial {between_quotes(self.serial) or "none"})'

    @property
    def state(self) -> str:
        """Whether it is initialised and locked, in words."""
        if not self.initialised:
            return "blank"
        if self.user_pin_locked:
            return "PIN locked"
        if not self.user_pin_initialised:
            return "no PIN"
        return {"low": "few tries left", "last": "last try"}.get(self.tries, "ready")

    @property
    def name_to_erase(self) -> str:
        """What a person types to erase it: its serial, or its label where a driver reports no serial."""
        return self.serial or self.label

    @property
    def tries(self) -> Tries:
        """What the flags report of the tries that the user PIN has left."""
        if self.user_pin_final_try:
            return Tries.LAST
        return Tries.LOW if self.user_pin_count_low else Tries.ENOUGH

    @property
    def uri(self) -> KeyUri:
        """The URI that means this token and, where serials differ, no other."""
        from seedless.pkcs11.uri import KeyUri  # a value asked for by few

        return KeyUri(
            token=self.label or None,
            manufacturer=self.manufacturer or None,
            model=self.model or None,
            serial=self.serial or None,
            slot_id=None if self.initialised else self.slot_id,
        )


def matches(info: TokenInfo, uri: KeyUri) -> bool:
    """Report whether *uri* means this token: its attributes of token and slot are those (RFC 7512 §2.5)."""
    pairs = (
        (uri.token, info.label),
        (uri.manufacturer, info.manufacturer),
        (uri.model, info.model),
        (uri.serial, info.serial),
        (uri.slot_id, info.slot_id),
        (uri.slot_description, info.slot_description),
        (uri.slot_manufacturer, info.slot_manufacturer),
    )
    return all(wanted is None or wanted == found for wanted, found in pairs)
