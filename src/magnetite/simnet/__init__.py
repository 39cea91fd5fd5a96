"""The network seam in virtual time, net's twin."""
