#!/bin/sh
# Before the package goes; dpkg says "remove" and rpm 0 then, and something else before an upgrade.
set -eu
case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then systemctl disable --now kerntap.service; fi
	;;
esac
