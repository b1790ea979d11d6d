"""Drivers in processes of their own: a pool of workers that sign."""
