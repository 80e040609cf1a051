#!/bin/sh
# After installing and upgrading: what runs already, runs on as the new version.
set -eu
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart kerntap.service || echo "kerntap: systemctl status kerntap says why it did not start again" >&2
fi
