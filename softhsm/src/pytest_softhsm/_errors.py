"""The one exception that this plugin raises."""

from __future__ import annotations


class SoftHSMError(Exception):
    """Say what SoftHSM could not do, and in `hint` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the *message* and the *hint* (empty: nothing is known that would help)."""
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint after a semicolon."""
        return f"{super().__str__()}; {self.hint}" if self.hint else super().__str__()
