"""Tokens through PKCS#11: the only package that imports the binding, and only when a token is needed."""
