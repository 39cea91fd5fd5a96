"""What is shared: magnet links, torrents, and where their bytes lie. Pure."""
