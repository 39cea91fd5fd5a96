#!/bin/bash
# Lays out a small internet of IPv4 and IPv6, and hosts with several links to it; says "ready", and stays, as lab.sh does.
#
#   br0   11.1.0.1 .. 11.8.0.1, 2a00:1::1 .. 2a00:8::1    a DHT of real nodes
#   br1   12.0.0.1, 2b00::1                                another way into the same machine
#   dual  eth0 11.101.0.1, 2a00:101::1                     of both families
#   six   eth0 2a00:102::1                                 of IPv6 alone
#   two   eth0 11.103.0.1, 2a00:103::1                     on br0, and
#         eth1 12.103.0.1, 2b00:103::1                     on br1: whatever is free to choose leaves by this one
#   shut  eth0 192.168.7.2                                 sees nobody but
#   proxy in0 192.168.7.1, out0 11.105.0.1                 which forwards nothing
#   peer  eth0 11.106.0.1, 2a00:106::1                     somebody to talk to
#
# Addresses are public ones, since strangers' private addresses are not believed.
set -e
mkdir -p /run/netns
mount -t tmpfs lab /run/netns
ip link set lo up
for bridge in br0 br1; do
  ip link add $bridge type bridge
  ip link set $bridge up
done
for i in $(seq 1 8); do
  ip addr add "11.$i.0.1/8" dev br0
  ip addr add "2a00:$i::1/16" dev br0 nodad
done
ip addr add 12.0.0.1/8 dev br1
ip addr add 2b00::1/16 dev br1 nodad

namespace() {  # name
  ip netns add "$1"
  ip -n "$1" link set lo up
}
link() {  # name, its interface, bridge
  ip link add "$1-$2" type veth peer name "$2" netns "$1"
  ip link set "$1-$2" master "$3" up
  ip -n "$1" link set "$2" up
}
for name in dual six two shut proxy peer; do namespace $name; done
for name in dual six two peer; do link $name eth0 br0; done
link two eth1 br1
link proxy out0 br0
ip link add in0 netns proxy type veth peer name eth0 netns shut
ip -n proxy link set in0 up
ip -n shut link set eth0 up

ip -n dual addr add 11.101.0.1/8 dev eth0
ip -n dual addr add 2a00:101::1/16 dev eth0 nodad
ip -n six addr add 2a00:102::1/16 dev eth0 nodad
ip -n two addr add 11.103.0.1/8 dev eth0 metric 200
ip -n two addr add 2a00:103::1/16 dev eth0 nodad metric 200
ip -n two addr add 12.103.0.1/8 dev eth1
ip -n two addr add 2b00:103::1/16 dev eth1 nodad
ip -n two route add 11.0.0.0/8 via 12.0.0.1 metric 100
ip -n two route add 2a00::/16 via 2b00::1 metric 100
ip -n shut addr add 192.168.7.2/24 dev eth0
ip -n proxy addr add 192.168.7.1/24 dev in0
ip -n proxy addr add 11.105.0.1/8 dev out0
ip -n peer addr add 11.106.0.1/8 dev eth0
ip -n peer addr add 2a00:106::1/16 dev eth0 nodad

# Replies to 12/8 come back by br1, whatever address they are from.
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip netns exec peer ip route add 12.0.0.0/8 via 11.1.0.1
ip netns exec peer ip -6 route add 2b00::/16 via 2a00:1::1

# What leaves `two` by eth1, and `shut` for anybody but the proxy. What the kernel refuses is of nobody's socket, and so of
# none that is bound: a packet to a connection that we have closed while the link was away.
ip netns exec two nft -f - <<'RULES'
table inet counts {
  counter leaked {}
  counter sent {}
  counter refused {}
  chain out {
    type filter hook output priority 0;
    oifname "eth1" tcp flags rst counter name refused accept
    oifname "eth1" meta l4proto { tcp, udp } counter name leaked
    oifname "eth0" meta l4proto { tcp, udp } counter name sent
  }
}
RULES
ip netns exec shut nft -f - <<'RULES'
table inet counts {
  counter leaked {}
  counter sent {}
  chain out {
    type filter hook output priority 0;
    oifname "lo" accept
    meta l4proto { tcp, udp } ip daddr != 192.168.7.1 counter name leaked
    meta l4proto { tcp, udp } ip6 version 6 counter name leaked
    meta l4proto { tcp, udp } ip daddr 192.168.7.1 counter name sent
  }
}
RULES
echo ready
exec sleep infinity
