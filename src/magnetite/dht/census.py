"""How many seeds and downloaders a torrent has, added up from the nodes that store its peers (BEP 33). Pure."""

from __future__ import annotations

from magnetite.dht.bloom import BloomFilter, Scrape
from magnetite.dht.messages import Response


class Census:
    """The union of what all answers to one scrape hold. One peer that several nodes name is counted once."""

    def __init__(self) -> None:
        self.nodes = 0  # that told of peers at all
        self._scrape = Scrape(BloomFilter(), BloomFilter())
        self._unsorted: set[str] = set()  # addresses from nodes that cannot tell seeds; a lookup bounds their number

    def take_in(self, response: Response) -> None:
        if response.scrape is not None:
            self._scrape = self._scrape.union(response.scrape)
        else:
            self._unsorted.update(peer.ip for peer in response.values)
        self.nodes += response.scrape is not None or bool(response.values)

    @property
    def result(self) -> Scrape:
        """Whom nodes without scrapes name is a downloader, unless others know it as a seed (BEP 33)."""
        peers = BloomFilter(bytes(self._scrape.peers))
        for ip in self._unsorted:
            if ip not in self._scrape.seeds:
                peers.add(ip)
        return Scrape(self._scrape.seeds, peers)
