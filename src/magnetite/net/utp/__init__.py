"""uTP (BEP 29): streams over UDP that yield to everything else on the line."""
