#!/bin/sh
# Builds the static binaries that the images are made of, each into a build context of its own under bin/.
set -eu
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)

mkdir -p bin/kerntap bin/shop bin/collector
(
	cd "$root"
	make -s build
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$here/bin/shop/client" ./examples/docker-compose/shop
)
for name in api database trouble ready; do cp bin/shop/client "bin/shop/$name"; done
cp "$root/bin/kerntap" bin/kerntap/kerntap
cp "$("$root/scripts/collector.sh")" bin/collector/otelcol
cp bin/shop/ready bin/collector/ready # the image has nothing else to ask with
