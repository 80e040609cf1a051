#!/bin/sh
# Starts a systemd of its own, with the unit and nothing else, in the namespaces that the caller has made for it: mounts,
# processes, names, IPC and network. The user namespace is the initial one, in which capabilities count.
#   boot.sh DIR   DIR holds the binary, its configuration, and kerntap.service with its drop-ins
set -eu
dir=$1
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
hostname kerntap-test # in case that is asked for: not the host's
units=$(mktemp -d)
mount -t tmpfs tmpfs "$units"
# what default dependencies need, without any service of the host
for unit in sysinit basic sockets timers paths local-fs local-fs-pre swap network network-online shutdown umount exit; do
	cp "/lib/systemd/system/$unit.target" "$units/"
done
cp -r "$dir"/kerntap.service* "$units/"
mount --bind "$units" /lib/systemd/system
mount -t tmpfs tmpfs /etc/systemd/system
mount --bind "$dir" /usr/local/bin
mount -t tmpfs tmpfs /run
container=kerntap-test exec /lib/systemd/systemd --system --unit=kerntap.service --log-target=console --show-status=no
