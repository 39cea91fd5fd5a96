#!/bin/bash
# Takes away the link eth0 of `two` in links.sh (down), or makes another of the same name and addresses (up).
set -e
if [ "$1" = down ]; then
  ip -n two link del eth0
else
  ip link add two-eth0 type veth peer name eth0 netns two
  ip link set two-eth0 master br0 up
  ip -n two addr add 11.103.0.1/8 dev eth0 metric 200
  ip -n two addr add 2a00:103::1/16 dev eth0 nodad metric 200
  ip -n two link set eth0 up
fi
