"""Every rule of `lint` with a code of its own: Snnn for configurations, Lnnn for files and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.lint import jwts, tree
from seedless.nats_config import lint as configuration
from seedless.nats_config import trust, waivers
from seedless.nats_config.server_check import s002_the_server_takes_it

if TYPE_CHECKING:
    from collections.abc import Callable


def rules() -> tuple[Callable[..., Any], ...]:
    """Return every rule once, in the order of the codes within each letter."""
    found: tuple[Callable[..., Any], ...] = (
        configuration.s001_configuration_can_be_read,
        s002_the_server_takes_it,
        *configuration.RULES,
        trust.s023_accounts_can_be_deleted,
        waivers.s030_waivers_name_a_rule,
        *jwts.RULES,
        *tree.RULES,
    )
    return tuple(sorted(found, key=lambda rule: rule.__name__))
