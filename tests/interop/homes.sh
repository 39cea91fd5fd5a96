#!/bin/bash
# Two homes behind routers and the internet between them; says "ready", and stays. Run as lab.sh is (see lab.py).
#
#   inet   8.9.10.100               a bridge that stands for the internet
#   r1 r2  8.9.10.1, 8.9.10.2       routers that translate addresses; inside they are 192.168.1.1 and 192.168.2.1.
#                                   The chains of miniupnpd are there, empty; nothing else is let in from outside
#   h1 h2  192.168.1.2, 192.168.2.2 a host in each home
set -e
mkdir -p /run/netns
mount -t tmpfs lab /run/netns
ip link set lo up
ip link add inet type bridge
ip link set inet up
ip addr add 8.9.10.100/24 dev inet
for i in 1 2; do
  ip netns add "r$i"
  ip netns add "h$i"
  ip link add "v$i" type veth peer name wan netns "r$i"
  ip link set "v$i" master inet up
  ip -n "r$i" link add lan type veth peer name eth0 netns "h$i"
  ip -n "r$i" link set lo up
  ip -n "r$i" addr add "8.9.10.$i/24" dev wan
  ip -n "r$i" addr add "192.168.$i.1/24" dev lan
  ip -n "r$i" link set wan up
  ip -n "r$i" link set lan up
  ip -n "h$i" link set lo up
  ip -n "h$i" addr add "192.168.$i.2/24" dev eth0
  ip -n "h$i" link set eth0 up
  ip -n "h$i" route add default via "192.168.$i.1"
  ip netns exec "r$i" sysctl -q net.ipv4.ip_forward=1
  ip netns exec "r$i" nft -f - <<'RULES'
table inet filter {
  chain input { type filter hook input priority 0; iifname "wan" ct state new drop; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
    jump miniupnpd
  }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname "wan" masquerade
  }
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
RULES
done
echo ready
exec sleep infinity
