"""Message Stream Encryption: a handshake that looks like noise, and RC4 after it.

There is no BEP for it. What it hides is which protocol is spoken, from filters on the way; it proves nobody's identity
and is no protection against somebody who knows the info-hash and sits in between.
"""
