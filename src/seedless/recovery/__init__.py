"""Keys that can be restored: one secret, many keys (SLIP-0010), shares in words (SLIP-0039), a public record.

Everything that is secret happens in a process of its own, which ends: see `secret_process`.
"""
