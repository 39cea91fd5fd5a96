#!/bin/bash
# A SOCKS server, Dante's, in the namespace `proxy` of links.sh. The names in HOSTS are its own: nobody else knows them.
# Arguments: FOLDER HOSTS METHOD, the method being none or username.
set -e
cat > "$1/danted.conf" <<CONF
logoutput: stderr
internal: 192.168.7.1 port = 1080
external: out0
external.rotation: route
clientmethod: none
socksmethod: $3
udp.connectdst: no
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
CONF
mount --bind "$2" /etc/hosts
exec danted -f "$1/danted.conf"
