"""Finding peers of our torrents in the local network, by multicast (BEP 14)."""
