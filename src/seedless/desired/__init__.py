"""Desired state: a file that describes operator, accounts and users, and the plan for it."""
