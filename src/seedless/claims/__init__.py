"""What jwts contain, as frozen values: one body for each kind of claims, and its parts."""

from __future__ import annotations

from seedless.claims.account import (
    Account,
    Export,
    ExternalAuthorization,
    Import,
    JetStreamLimits,
    Limits,
    MessageTrace,
    Scope,
    ServiceLatency,
    WeightedMapping,
    signing_key,
)
from seedless.claims.activation import Activation, hash_id
from seedless.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
    ClientInfo,
    ClientTLS,
    ConnectOptions,
    ServerId,
)
from seedless.claims.common import NO_LIMIT, Permission, Permissions, ResponsePermission, TimeRange
from seedless.claims.generic import Generic
from seedless.claims.jetstream import JetStreamPermissions
from seedless.claims.operator import Operator
from seedless.claims.user import Template, User

__all__ = [
    "NO_LIMIT",
    "Account",
    "Activation",
    "AuthorizationRequest",
    "AuthorizationResponse",
    "ClientInfo",
    "ClientTLS",
    "ConnectOptions",
    "Export",
    "ExternalAuthorization",
    "Generic",
    "Import",
    "JetStreamLimits",
    "JetStreamPermissions",
    "Limits",
    "MessageTrace",
    "Operator",
    "Permission",
    "Permissions",
    "ResponsePermission",
    "Scope",
    "ServerId",
    "ServiceLatency",
    "Template",
    "TimeRange",
    "User",
    "WeightedMapping",
    "hash_id",
    "signing_key",
]
