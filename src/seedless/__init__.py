"""Sign NATS claim JWTs with Ed25519 keys that stay on a PKCS#11 token.

Nothing is imported here: `seedless.nkey`, `seedless.jwt`, `seedless.claims` and the rest are
imported by name, so that a program pays only for what it uses.
"""
