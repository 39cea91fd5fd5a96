#!/bin/bash
# Lays out the test network, says "ready", and stays. Run as the first process of fresh network, mount and process
# namespaces (see lab.py), so that all of it is gone with this process.
#
#   br0   10.1.0.1 .. 10.16.0.1    a DHT of real nodes, each with an address of its own:
#                                  libtorrent keeps one node an address, others drop 127/8 as martian
#   c1-c4 10.101.0.1 .. 10.104.0.1 a namespace for each client under test
#
# There is no route to anywhere else.
set -e
mkdir -p /run/netns
mount -t tmpfs lab /run/netns
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
for i in $(seq 1 16); do ip addr add "10.$i.0.1/8" dev br0; done
for i in 1 2 3 4; do
  ip netns add "c$i"
  ip link add "v$i" type veth peer name eth0 netns "c$i"
  ip link set "v$i" master br0 up
  ip -n "c$i" link set lo up
  ip -n "c$i" addr add "10.10$i.0.1/8" dev eth0
  ip -n "c$i" link set eth0 up
done
echo ready
exec sleep infinity
