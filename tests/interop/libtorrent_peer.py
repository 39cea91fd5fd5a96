"""A libtorrent peer, as a process: `seed TORRENT FOLDER` or `leech MAGNET FOLDER`, told a DHT router or a peer.

With --obey it chokes everybody at a line `choke` on its standard input, and nobody any more at a line `unchoke`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from threading import Thread

import libtorrent as lt

ENCRYPTION = {"disabled": lt.enc_policy.disabled, "enabled": lt.enc_policy.enabled, "forced": lt.enc_policy.forced}
UNCHOKED = {"choke": 0, "unchoke": 8}  # peers, after each of the commands


def obey(session: lt.session) -> None:
    """Do what standard input says, until its end."""
    for line in sys.stdin:
        session.apply_settings({"unchoke_slots_limit": UNCHOKED[line.strip()]})


def count_slots_for_local_peers(session: lt.session) -> None:
    """Peers in private networks are never choked otherwise."""
    local = session.get_peer_class(lt.session.local_peer_class_id)
    session.set_peer_class(lt.session.local_peer_class_id, {**local, "ignore_unchoke_slots": False})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["seed", "leech"])
    parser.add_argument("what")
    parser.add_argument("folder")
    parser.add_argument("--listen", required=True)
    parser.add_argument("--router", default="")
    parser.add_argument("--rate", type=int, default=0, help="bytes/s to upload at most")
    parser.add_argument("--download-rate", type=int, default=0, help="bytes/s to download at most")
    parser.add_argument("--peer", default="", help="ADDRESS:PORT to dial")
    parser.add_argument("--obey", action="store_true", help="do what standard input says")
    parser.add_argument("--unchecked", action="store_true", help="take whatever is in the folder for right")
    parser.add_argument("--encryption", choices=ENCRYPTION, default="enabled")
    parser.add_argument("--rc4-alone", action="store_true", help="and no plain text after an encrypted handshake")
    parser.add_argument("--no-pex", action="store_true", help="hear of nobody from peers (BEP 11)")
    parser.add_argument("--lsd", action="store_true", help="find peers by multicast (BEP 14)")
    parser.add_argument("--no-tcp", action="store_true", help="uTP alone")
    options = parser.parse_args()
    session = lt.session(
        {
            "listen_interfaces": options.listen,
            "dht_bootstrap_nodes": options.router,
            "enable_dht": bool(options.router),
            "enable_lsd": options.lsd,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_ignore_dark_internet": False,  # 10/8 is all there is here
            "dht_prefer_verified_node_ids": False,
            "dht_enforce_node_id": False,
            "dht_announce_interval": 2,  # s; the first one, before it knows many nodes, may reach few of the right ones
            "min_reconnect_time": 1,  # s; as above
            "unchoke_interval": 1,  # s; how soon a choke is one
            "enable_incoming_tcp": not options.no_tcp,
            "enable_outgoing_tcp": not options.no_tcp,
            "out_enc_policy": ENCRYPTION[options.encryption],
            "in_enc_policy": ENCRYPTION[options.encryption],
            "allowed_enc_level": lt.enc_level.rc4 if options.rc4_alone else lt.enc_level.both,
            "disable_hash_checks": options.unchecked,
            # A seed dials whom it is told to, nobody else: it refuses a call from an address that it is dialling.
            "seeding_outgoing_connections": bool(options.peer),
        }
    )
    if options.obey:
        count_slots_for_local_peers(session)
        Thread(target=obey, args=(session,), daemon=True).start()
    if options.role == "seed":
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(options.what)
    else:
        parameters = lt.parse_magnet_uri(options.what)
    parameters.save_path = options.folder
    if options.no_pex:
        parameters.flags |= lt.torrent_flags.disable_pex
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(parameters)
    handle.set_upload_limit(options.rate)  # the session's limit leaves out peers in private networks
    handle.set_download_limit(options.download_rate)
    if options.peer:
        ip, _, port = options.peer.rpartition(":")
        handle.connect_peer((ip, int(port)))
    print("port", session.listen_port())
    while True:
        status = handle.status()
        print(status.state, status.num_peers, f"{status.progress:.3f}")
        peers = handle.get_peer_info()
        if options.obey:
            print("choking", sum(bool(peer.flags & lt.peer_info.choked) for peer in peers))
        for peer in peers:
            if peer.source & lt.peer_info.pex:
                print("by PEX:", *peer.ip)
        if options.role == "leech" and status.is_seeding:
            session.pause()  # what is in its cache goes to the disk
            time.sleep(1)
            sys.exit()
        time.sleep(0.1)


if __name__ == "__main__":
    Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    main()
