"""Drivers in processes of their own: a command under its supervisor, and a pool of workers that sign."""
