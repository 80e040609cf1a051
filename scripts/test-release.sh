#!/bin/sh
# Builds everything that is released twice, in two folders, and compares. For both architectures the rpm must hold the files
# of the deb, the tar and the image the same binary, which must be static, and all must be of that architecture. Then installs
# the deb of this machine's architecture on a copy of this machine that ends with this script, runs `kerntap check` and the
# service's own start command there as an ordinary user with the unit's capabilities, lets it see a refused connect, and
# removes the package. Needs root. Leaves nothing.
set -eu
cd "$(dirname "$0")/.."

scripts/deps.sh packages
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
service=""
clean() {
	trap - EXIT HUP INT TERM
	[ -z "$service" ] || kill "$service" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
fail() { # fail WORDS [FILE]
	[ -z "${2:-}" ] || tail -n 20 "$2" >&2
	echo "test-release: $1" >&2
	exit 1
}

VERSION=1.2.3-test
SOURCE_DATE_EPOCH=1767225600
export VERSION SOURCE_DATE_EPOCH
mkdir "$work/elsewhere"
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -C "$work/elsewhere" -xf -
scripts/release.sh "$work/once"
"$work/elsewhere/scripts/release.sh" "$work/again"
diff -r "$work/once" "$work/again" || fail "two builds of the same source differ"
(cd "$work/once" && sha256sum --quiet -c kerntap_*_checksums.txt) || fail "the checksums are not those of the files"
[ "$(find "$work/once" -type f | wc -l)" -eq 11 ] || fail "there are not 11 files"
echo "test-release: two builds in two folders gave the same 11 files"

# same ARCH MACHINE: the others hold the deb's binary and files; MACHINE is how rpm calls the architecture
same() {
	arch=$1
	machine=$2
	name=$work/once/kerntap_${VERSION}_linux_$arch
	deb=$work/$arch/deb
	image=$work/$arch/image
	mkdir -p "$deb" "$image"
	dpkg -x "$name.deb" "$deb"
	binary=$(sha256sum <"$deb/usr/bin/kerntap")
	[ "$(tar -xzOf "$name.tar.gz" --wildcards '*/kerntap' | sha256sum)" = "$binary" ] || fail "the tar for $arch has another binary"
	tar -C "$image" -xf "$name.image.tar"
	layer=$(jq -r '.[0].Layers[0]' "$image/manifest.json")
	[ "$(tar -xOf "$image/$layer" kerntap | sha256sum)" = "$binary" ] || fail "the image for $arch has another binary"
	[ "$(tar -xOf "$image/$layer" etc/ssl/certs/ca-certificates.crt | grep -c BEGIN)" -gt 100 ] ||
		fail "the image for $arch has no authorities to check a collector's certificate with"
	for blob in "$image/blobs/sha256/"*; do
		[ "$(sha256sum <"$blob" | cut -c 1-64)" = "$(basename "$blob")" ] || fail "$blob of the image is named by another digest"
	done
	asked -qlp "$name.rpm" | sort >"$work/rpm.list"
	(cd "$deb" && find . -type f | cut -c 2- | sort) >"$work/deb.list"
	diff "$work/deb.list" "$work/rpm.list" || fail "the rpm for $arch holds other files than the deb"
	[ "$(asked -qp --qf '[%{FILENAMES} %{FILEDIGESTS}\n]' "$name.rpm" | sed -n 's|^/usr/bin/kerntap ||p')" = \
		"$(echo "$binary" | cut -c 1-64)" ] || fail "the rpm for $arch has another binary"
	jq -e '[.components[].name] | index("github.com/cilium/ebpf") and index("std")' "$name.cdx.json" >/dev/null ||
		fail "the SBOM for $arch lacks what the binary is made of"
	echo "test-release: tar, image, rpm and deb for $arch hold the same binary, $(jq '.components | length' "$name.cdx.json") components in its SBOM"

	go version -m "$deb/usr/bin/kerntap" | grep -q "GOARCH=$arch\$" || fail "the binary for $arch is for another architecture"
	readelf -lW "$deb/usr/bin/kerntap" >"$work/segments"
	grep -q LOAD "$work/segments" || fail "the binary for $arch has no segments" "$work/segments"
	if grep INTERP "$work/segments"; then fail "the binary for $arch is not static"; fi
	said=$(dpkg-deb -f "$name.deb" Architecture)
	[ "$said" = "$arch" ] || fail "the deb for $arch says $said"
	said=$(asked -qp --qf '%{ARCH}' "$name.rpm")
	[ "$said" = "$machine" ] || fail "the rpm for $arch says $said"
	said=$(jq -r .architecture "$image/$(jq -r '.[0].Config' "$image/manifest.json")")
	[ "$said" = "$arch" ] || fail "the image for $arch says $said"
	echo "test-release: all of them are for $arch, and the binary is static"
}
asked() { rpm --dbpath "$work/rpm" "$@" 2>/dev/null; } # asked WORDS...: what rpm answers, with a database of nothing
mkdir "$work/rpm"
same amd64 x86_64
same arm64 aarch64

name=$work/once/kerntap_${VERSION}_linux_$(dpkg --print-architecture)
cp "$name.deb" "$work/kerntap.deb"
cp scripts/test-installed.sh "$work/"
# In namespaces of its own, on a copy of this machine's files whose changes are in memory.
unshare --mount --net --pid --fork --mount-proc sh "$work/test-installed.sh" "$work" >"$work/log" 2>&1 ||
	fail "the installed package does not work (its last words are above)" "$work/log"
cat "$work/log"
[ ! -e /usr/bin/kerntap ] || fail "the package was installed on this machine itself"
