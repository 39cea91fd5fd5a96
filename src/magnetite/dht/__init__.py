"""Finding peers: the Mainline DHT (BEP 5)."""
