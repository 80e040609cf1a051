#!/bin/sh
# Builds the static binaries that the images are made of, each into a build context of its own under bin/.
set -eu
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)

mkdir -p bin/kerntap bin/workload bin/collector
(
	cd "$root"
	make -s bin/kerntap
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$here/bin/workload/workload" ./examples/docker-compose/workload
)
cp "$root/bin/kerntap" bin/kerntap/kerntap
cp "$("$root/scripts/collector.sh")" bin/collector/otelcol
