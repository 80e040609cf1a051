#!/bin/sh
# Builds everything that is released twice, in two folders, and compares; then installs the deb of this machine's
# architecture on a copy of this machine that ends with this script, runs `kerntap check` and the service's own start
# command there as an ordinary user with the unit's capabilities, lets it see a refused connect, and removes the package.
# The rpm must hold the same files, the tar and the image the same binary. Needs root. Leaves nothing.
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

arch=$(dpkg --print-architecture)
name=$work/once/kerntap_${VERSION}_linux_$arch

# The others hold the deb's binary.
mkdir "$work/deb" "$work/image" "$work/rpm"
dpkg -x "$name.deb" "$work/deb"
binary=$(sha256sum <"$work/deb/usr/bin/kerntap")
[ "$(tar -xzOf "$name.tar.gz" --wildcards '*/kerntap' | sha256sum)" = "$binary" ] || fail "the tar has another binary"
tar -C "$work/image" -xf "$name.image.tar"
layer=$(jq -r '.[0].Layers[0]' "$work/image/manifest.json")
[ "$(tar -xOf "$work/image/$layer" kerntap | sha256sum)" = "$binary" ] || fail "the image has another binary"
[ "$(tar -xOf "$work/image/$layer" etc/ssl/certs/ca-certificates.crt | grep -c BEGIN)" -gt 100 ] ||
	fail "the image has no authorities to check a collector's certificate with"
for blob in "$work/image/blobs/sha256/"*; do
	[ "$(sha256sum <"$blob" | cut -c 1-64)" = "$(basename "$blob")" ] || fail "$blob of the image is named by another digest"
done
rpm --dbpath "$work/rpm" -qlp "$name.rpm" 2>/dev/null | sort >"$work/rpm.list"
(cd "$work/deb" && find . -type f | cut -c 2- | sort) >"$work/deb.list"
diff "$work/deb.list" "$work/rpm.list" || fail "the rpm holds other files than the deb"
[ "$(rpm --dbpath "$work/rpm" -qp --qf '[%{FILENAMES} %{FILEDIGESTS}\n]' "$name.rpm" 2>/dev/null |
	sed -n 's|^/usr/bin/kerntap ||p')" = "$(echo "$binary" | cut -c 1-64)" ] || fail "the rpm has another binary"
jq -e '[.components[].name] | index("github.com/cilium/ebpf") and index("std")' "$name.cdx.json" >/dev/null ||
	fail "the SBOM lacks what the binary is made of"
echo "test-release: tar, image, rpm and deb hold the same binary, $(jq '.components | length' "$name.cdx.json") components in its SBOM"

cp "$name.deb" "$work/kerntap.deb"
cp scripts/test-installed.sh "$work/"
# In namespaces of its own, on a copy of this machine's files whose changes are in memory.
unshare --mount --net --pid --fork --mount-proc sh "$work/test-installed.sh" "$work" >"$work/log" 2>&1 ||
	fail "the installed package does not work (its last words are above)" "$work/log"
cat "$work/log"
[ ! -e /usr/bin/kerntap ] || fail "the package was installed on this machine itself"
