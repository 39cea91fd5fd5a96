"""A libtorrent node that does things with the DHT's items, peers and samples, and prints how each went as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from hashlib import sha512

import libtorrent as lt

PATIENCE = 50  # seconds; lookups wait 15 for each node that has left
AGAIN = 5.0  # seconds; a node that has just joined may not find anybody yet

ALERTS = {
    "put": lt.dht_put_alert,
    "sign": lt.dht_put_alert,
    "get": lt.dht_immutable_item_alert,
    "verify": lt.dht_mutable_item_alert,
    "sample": lt.dht_sample_infohashes_alert,
    "announce": lt.dht_get_peers_reply_alert,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--router", required=True)
    parser.add_argument("--enough", type=int, required=True, help="nodes that are to take an item")
    parser.add_argument("actions", nargs="+", help="each is a list of words in JSON: what to do, and with what")
    options = parser.parse_args()
    host, port = options.router.split(":")
    session = lt.session(
        {
            "listen_interfaces": options.listen,
            "dht_bootstrap_nodes": options.router,
            "alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_ignore_dark_internet": False,  # 10/8 is all there is here
            "dht_prefer_verified_node_ids": False,
            "dht_enforce_node_id": False,
        }
    )
    session.add_dht_node((host, int(port)))
    end = time.monotonic() + PATIENCE
    while session.status().dht_nodes < 3:
        if time.monotonic() > end:
            sys.exit("nobody in the DHT answered")
        time.sleep(0.1)
    for action in options.actions:
        print(json.dumps(do(session, json.loads(action), options.listen, options.enough)), flush=True)
    while True:
        time.sleep(1)


def do(session: lt.session, action: list[str], listen: str, enough: int) -> dict[str, object]:
    """The outcome of one action, tried again until it has one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        begin(session, action)
        until = time.monotonic() + AGAIN
        while time.monotonic() < until:
            session.wait_for_alert(100)
            for alert in session.pop_alerts():
                outcome = told(alert, action[0], listen, enough)
                if outcome is not None:
                    return outcome
    sys.exit(f"{action}: no outcome")


def begin(session: lt.session, action: list[str]) -> None:
    match action:
        case ["put", text]:
            session.dht_put_immutable_item(text.encode())
        case ["get", target]:
            session.dht_get_immutable_item(lt.sha1_hash(bytes.fromhex(target)))
        case ["sign", seed, key, text, salt]:
            session.dht_put_mutable_item(
                expanded(bytes.fromhex(seed)), bytes.fromhex(key), text.encode(), salt.encode()
            )
        case ["verify", key, salt]:
            session.dht_get_mutable_item(bytes.fromhex(key), salt.encode())
        case ["sample", host, port]:
            session.dht_sample_infohashes((host, int(port)), lt.sha1_hash(bytes(20)))
        case ["announce", info_hash, seed]:
            session.dht_announce(lt.sha1_hash(bytes.fromhex(info_hash)), session.listen_port(), int(seed))
            session.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))


def told(alert: lt.alert, action: str, listen: str, enough: int) -> dict[str, object] | None:
    """What an alert says of the outcome; None if nothing."""
    if not isinstance(alert, ALERTS[action]):  # late, of the action before
        return None
    match alert:
        case lt.dht_put_alert(num_success=nodes) if nodes >= enough and any(alert.public_key) == (action == "sign"):
            return {"nodes": nodes, "seq": alert.seq}
        case lt.dht_immutable_item_alert() if alert.item:
            return {"value": as_text(alert.item)}
        case lt.dht_mutable_item_alert() if alert.item:
            return {"value": as_text(alert.item), "seq": alert.seq}
        case lt.dht_get_peers_reply_alert():
            peers = [f"{host}:{port}" for host, port in alert.peers()]
            return {"peers": peers} if listen in peers else None
        case lt.dht_sample_infohashes_alert(num_infohashes=number) if number:
            return {"samples": [str(each) for each in alert.samples], "num": alert.num_infohashes}
    return None


def as_text(item: object) -> object:
    value = item["value"] if isinstance(item, dict) else item
    return value.decode() if isinstance(value, bytes) else repr(value)


def expanded(seed: bytes) -> bytes:
    """libtorrent takes a private key as the 64 bytes that its seed hashes to (RFC 8032, 5.1.5)."""
    digest = bytearray(sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    return bytes(digest)


if __name__ == "__main__":
    main()
