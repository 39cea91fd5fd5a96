"""Verified bytes on disk, and what survives a crash."""
