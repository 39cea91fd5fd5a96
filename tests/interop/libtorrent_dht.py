"""A small DHT of libtorrent nodes, as a process: one on each address 10.1.0.1 .. 10.N.0.1, port 6881.

It prints how many nodes they know in all, and who has announced what to them.
"""

from __future__ import annotations

import sys
import time

import libtorrent as lt


def node(number: int) -> lt.session:
    session = lt.session(
        {
            "listen_interfaces": f"10.{number}.0.1:6881",
            "dht_bootstrap_nodes": "10.1.0.1:6881" if number > 1 else "",
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_ignore_dark_internet": False,
            "dht_prefer_verified_node_ids": False,
            "dht_enforce_node_id": False,
            "dht_block_ratelimit": 1000,
            "dht_upload_rate_limit": 1_000_000,
            "alert_mask": lt.alert.category_t.dht_notification,
        }
    )
    for other in range(1, number):  # by itself a node meets another every five seconds
        session.add_dht_node((f"10.{other}.0.1", 6881))
    return session


if __name__ == "__main__":
    nodes = [node(number) for number in range(1, int(sys.argv[1]) + 1)]
    while True:
        print("nodes known", sum(session.status().dht_nodes for session in nodes))
        for alert in (alert for session in nodes for alert in session.pop_alerts()):
            if isinstance(alert, lt.dht_announce_alert):
                print("announced", alert.info_hash, alert.ip)
        time.sleep(0.2)
