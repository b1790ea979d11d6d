"""Key pairs that everybody may know, on a token: for tests, and for nothing else.

They are fixed, so that a test may compare what it computes with what it computed yesterday, and so that
nobody waits for an RSA key. The Ed25519 key is that of RFC 8032, section 7.1, test 2; the others were created
once with OpenSSL 3.0 (`openssl genpkey`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pytest_softhsm._tokens import Token

PRIVATE = {
    "rsa": """\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDGkptTZpeMYxwY
5buIyQXsOWfaWSRaMcwMrw8FEiR4lOlk1hI6nf+0qI1WdVA7cduUn/O5Tm9/IyQv
czj/ezfVCtVMrAEraty+YexYMNJdaerCc2YkEe7LUXadv7ul8qICkxFQZkAMQ0H8
Sl+KrSxVNDm7iT8W9F5lDtJH272wLWanOsys7igC0NNKcFqVHz4zYhW85Y3G8H/o
6s0H3+puNJUKoYU2niC4z9uKcCj+QhzO+yDQ+OHaezQsqyTjpMCBrjvdppRE4Nx2
A92djNonAXGCx2bnuMfY7WyZgi6V5WuVyJ4Khr0K8VqqfsNajMbOPO291MN9+0xb
4H9SYVBPAgMBAAECggEAS/H8V/xvz7CEKX2LqPgBPOSDtL3NKnXLLbqySuUyb6+8
R+Wb2TFef9DLJZr+kY2tRn2acG/wMrbU+xTdYtDUfLWE+Kr8U4euX14CT4R0oGeG
8tHB6d+17ar9a73N3d0bW1K2F4LT0hzTGtOzEM3Em926iuAl8fiKNapigDsppDw8
BStQXEbLJVEUGZ/7yr9fcylxo4QdCGGXvbPcTEFi23vZMNoX5VvpwUN0udkQAHbH
VXATF99X4IcouKbFevOJQbcDCAj9acYjOWHQgx79OkHhhRIsIzOBVgrESxmAL5TH
IKIr360CIlpMKhZ4TBA04oslltN4Iq/qnpMzLA4bYQKBgQDzR0Ujmmbh7Klh/xCf
2Qm3P+peaWmzJGJo8R0cAppcBiMX5r7qAmmDsTivNX8NsF4CwjE6FLGrFFGGbDyW
JnrK0ojTtnO8ken1rWi2jfXgmEdLqrEHraVUymLeQUCGmyBAkxmkpwF3PftRFsvd
Xxe4dzscEQPK9cKNW5MwMbiZHwKBgQDQ9N5EKFKEW1ZwyWrOh/aUEeJlyEmMFqpR
hMYFbF6T/AC7XRE+UXgP07Q9oVnLxumRaYsC/yGEySJx7vgxTyT+bJ+KtGjThjF8
X+hbammstYRGMMi6LHxLkOeToGAuZdvIlusbEwJb0S9e0xuNNjXGJ18Lx5XLZbW8
L/2Lb3Py0QKBgC72JA+SX6ffEnd7UE87C1gXe3uMJ75QGLsfSDo++mMnQCD+Bv6P
RqUIUePolMUktZEcwXnvwrg+rNohDLUDapK6f3U29DKDjEFDn0IWN0+KtcCSi6fq
yk6K3vj+aaFSUrCEdN/G6U6GZXwqxWHPWHngckWhtzS3qj21Xr1f672LAoGALSJ3
UCmViVlhVoNrOqlLrbgfOvUETeonZ+xSCaHa3AQ29EGqE9ftIx4LdLSBfO6+TNaL
XF5XkyMO+aUwnxYFW5+C5qcJbYcy8TaWLgjSQqgCplarROuO/ZOTMeQWYm9GBhHz
PqngfIy2urjG3r2y59ZhRV4bERArLTcAgTnVxcECgYEA4KypT3QJgQYY6I+WeoEG
nDrR/2rx03XADWKo36Zou6QvVQtTFfgJiafhNAs86olNcmx0X1547dYw8S3JsNC6
8pAyWLS93Lrqj+G+8LUo++cUrw47lMXlbl76mmm32Dob1+7OcF8hmxieWxco8k5A
dqLcf39V/kzk9wqA+mYEOYs=
-----END PRIVATE KEY-----
""",
    "ec": """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmG4XtL1HMgG3m/lL
bwZ75GLfvfqPNdZfoBPBEdUS85ShRANCAASGC5RsgPHVLPINeak6xxyPrwMyxwYk
0plCgGxHuatpj3fM6x30wruTs5UbuC+odhks1iaBK/1gcZi6BWzjIxoE
-----END PRIVATE KEY-----
""",
    "ed25519": """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7
-----END PRIVATE KEY-----
""",
}
"""PKCS#8 in PEM: RSA with 2048 bits, EC on P-256, Ed25519."""
PUBLIC = {
    "rsa": """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxpKbU2aXjGMcGOW7iMkF
7Dln2lkkWjHMDK8PBRIkeJTpZNYSOp3/tKiNVnVQO3HblJ/zuU5vfyMkL3M4/3s3
1QrVTKwBK2rcvmHsWDDSXWnqwnNmJBHuy1F2nb+7pfKiApMRUGZADENB/Epfiq0s
VTQ5u4k/FvReZQ7SR9u9sC1mpzrMrO4oAtDTSnBalR8+M2IVvOWNxvB/6OrNB9/q
bjSVCqGFNp4guM/binAo/kIczvsg0Pjh2ns0LKsk46TAga473aaURODcdgPdnYza
JwFxgsdm57jH2O1smYIuleVrlcieCoa9CvFaqn7DWozGzjztvdTDfftMW+B/UmFQ
TwIDAQAB
-----END PUBLIC KEY-----
""",
    "ec": """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhguUbIDx1SzyDXmpOsccj68DMscG
JNKZQoBsR7mraY93zOsd9MK7k7OVG7gvqHYZLNYmgSv9YHGYugVs4yMaBA==
-----END PUBLIC KEY-----
""",
    "ed25519": """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
-----END PUBLIC KEY-----
""",
}
"""The public keys (SubjectPublicKeyInfo) in PEM."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A known key pair on a token: where it is, and both halves in PEM to compute with elsewhere."""

    token: Token
    label: str
    id: bytes
    private_pem: str
    public_pem: str

    @property
    def uri(self) -> str:
        """Return the RFC 7512 URI of the private key, without a PIN."""
        return (
            f"{self.token.uri};object={quote(self.label, safe='')};id={quote(self.id, safe='')};type=private"
        )


def put(token: Token, kind: str) -> KeyPair:
    """Store the key pair of *kind* (`rsa`, `ec`, `ed25519`) on *token*, labelled by its kind."""
    identifier = kind.encode()
    token.import_pkcs8(PRIVATE[kind].encode(), label=kind, id=identifier)
    return KeyPair(token, kind, identifier, PRIVATE[kind], PUBLIC[kind])
