#!/bin/sh
# Builds everything that is released into dist/ (or the folder named): for amd64 and arm64 a static tar, a deb, an rpm, a
# container image and a CycloneDX SBOM, and the checksums of all. The same commit gives the same bytes.
#   scripts/release.sh [FOLDER]       VERSION names it, `git describe` by default; SOURCE_DATE_EPOCH dates it, the commit
#                                     by default
set -eu
cd "$(dirname "$0")/.."

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

out=${1:-dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)
version=${VERSION:-$(git describe --tags --always --dirty)}
version=${version#v}
# Packages want a version that begins with a digit; a commit before the first tag comes before every release.
case $version in
[0-9]*.*) ;;
*) version=0.0.0~$version ;;
esac
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH="$epoch"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Built once and found again: a tool that `go run` would link anew each time.
tool() { # tool MODULE: prints its path
	home=${XDG_CACHE_HOME:-$HOME/.cache}/kerntap/tools/$(echo "$1" | tr / _)
	[ -d "$home" ] || {
		GOBIN=$home.new go install -trimpath "$1" >&2
		mv -T "$home.new" "$home"
	}
	echo "$home"/*
}
nfpm=$(tool "$nfpm")
sbom=$(tool "$sbom")

for arch in amd64 arm64; do
	name=kerntap_${version}_linux_$arch
	tree=$work/$arch/$name
	mkdir -p "$tree"
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.version=$version" -o "$tree/kerntap" ./cmd/kerntap
	cp LICENSE README.md packaging/kerntap.yaml examples/systemd/kerntap.service "$tree"
	chmod 0755 "$tree" "$tree/kerntap"
	chmod 0644 "$tree"/LICENSE "$tree"/README.md "$tree"/kerntap.yaml "$tree"/kerntap.service
	tar -C "$work/$arch" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -cf - "$name" |
		gzip -n9 >"$out/$name.tar.gz"

	for kind in deb rpm; do
		ARCH=$arch VERSION=$version BINARY=$tree/kerntap \
			"$nfpm" package --config packaging/nfpm.yaml --packager $kind --target "$out/$name.$kind" >"$work/log" || {
			cat "$work/log" >&2
			exit 1
		}
	done
	go run ./scripts/image "$tree/kerntap" $arch "kerntap:$(echo "$version" | tr '~+' '--')" "$epoch" "$out/$name.image.tar"
	"$sbom" bin -json -std -noserial -notimestamp -version "v$version" -output "$out/$name.cdx.json" "$tree/kerntap" 2>/dev/null
done
(cd "$out" && sha256sum "kerntap_${version}_linux_"* >"kerntap_${version}_checksums.txt")
echo "release: $(find "$out" -name "kerntap_${version}_*" | wc -l) files of $version in $out"
