"""The network seam and the operating system's side of it."""
