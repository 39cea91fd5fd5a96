"""Which ways of encryption we take part in, and which of those a caller offers we choose. Pure."""

from __future__ import annotations

from enum import Enum, IntFlag


class Method(IntFlag):
    """What follows the encrypted handshake: the bits of crypto_provide and crypto_select."""

    PLAINTEXT = 1
    RC4 = 2


class Encryption(Enum):
    """A user's policy, for both directions; the words are those of other clients' settings."""

    OFF = "off"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"

    @property
    def is_plain_allowed(self) -> bool:
        """Whether a plain BitTorrent handshake is spoken and heard."""
        return self is not Encryption.REQUIRE

    @property
    def accepted(self) -> Method:
        """What we accept within an encrypted handshake. To require encryption is to require all of it."""
        match self:
            case Encryption.OFF:
                return Method(0)
            case Encryption.REQUIRE:
                return Method.RC4
            case _:
                return Method.PLAINTEXT | Method.RC4

    @property
    def offered(self) -> Method:
        """What we offer where we dial. Of both libtorrent takes plain text, so who prefers RC4 offers it alone."""
        return self.accepted if self is Encryption.ALLOW else self.accepted & Method.RC4

    @property
    def forms(self) -> tuple[bool, ...]:
        """Whether the handshake of a call is encrypted, in the order in which both kinds are tried."""
        match self:
            case Encryption.OFF:
                return (False,)
            case Encryption.ALLOW:
                return (False, True)
            case Encryption.PREFER:
                return (True, False)
            case Encryption.REQUIRE:
                return (True,)

    def select(self, offered: int) -> Method | None:
        """The method we choose of a caller's crypto_provide, in which there may be bits we do not know."""
        common = self.accepted & offered
        if not common:
            return None
        liked = Method.PLAINTEXT if self is Encryption.ALLOW else Method.RC4  # the cheaper one, unless asked for more
        return liked if liked & common else Method(common)
