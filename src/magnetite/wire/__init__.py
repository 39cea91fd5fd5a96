"""Talking to a peer: bytes to messages and back. Pure."""
