"""Desired state: a file that says how operator, accounts and users should be, and the plan for it."""
