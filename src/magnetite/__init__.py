"""magnetite: a trackerless BitTorrent peer."""
