#!/bin/sh
# Fetches one of Debian's kernels, once, and prints the folder that holds its vmlinuz and its lib/modules as the last
# line, the only one on standard output. Remove the folder to fetch the newest of its series.
#   scripts/kernels.sh SERIES [ARCHITECTURE]      such as 5.10, 6.1, 6.12, 7.2; amd64 or arm64
set -eu
. "$(dirname "$0")/apt.sh"

series=$1
arch=${2:-amd64}
fail() { # fail WORDS
	echo "kernels: $series for $arch cannot be fetched: $1" >&2
	exit 1
}

case $series in
5.10) suite=bullseye ;;
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
7.2) suite=forky ;;
*) fail "known are 5.10, 6.1, 6.12 and 7.2" ;;
esac

kernels=${XDG_CACHE_HOME:-$HOME/.cache}/kerntap/kernels
home=$kernels/$series-$arch
if [ -e "$home/vmlinuz" ]; then
	echo "$home"
	exit 0
fi
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg depmod; do
	command -v "$tool" >/dev/null || fail "there is no $tool"
done

echo "kernels: fetching $series for $arch from Debian's $suite" >&2
mkdir -p "$kernels"
work=$(mktemp -d "$kernels/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

own_apt "$work" "$arch"
binary=""
for mirror in $mirrors; do
	use_mirror "$work" "$mirror" "$suite" || continue
	# since 7.1 the kernel itself is in linux-binary, its modules in linux-modules, and linux-image depends on both
	for kind in binary image; do
		binary=$(apt-cache pkgnames "linux-$kind-$series." |
			grep -E "^linux-$kind-[0-9.]+(\+deb[0-9]+)?(-[0-9]+)?-cloud-$arch\$" | sort -V | tail -n 1) || true
		[ -z "$binary" ] || break 2
	done
done
[ -n "$binary" ] || fail "no mirror of this machine's has it ($(tail -n 1 "$work/log"))"

modules=$(apt-cache pkgnames "linux-modules-${binary#linux-binary-}")
# shellcheck disable=SC2086 # one package or two
(cd "$work" && apt-get download -q $binary $modules) >"$work/log" 2>&1 || fail "$(tail -n 1 "$work/log")"
for package in "$work"/*.deb; do
	dpkg -x "$package" "$work/root"
done

mkdir -p "$work/kernel/lib"
for modules in "$work/root/usr/lib/modules" "$work/root/lib/modules"; do
	[ ! -d "$modules" ] || mv "$modules" "$work/kernel/lib/modules"
done
for vmlinuz in "$work"/root/boot/vmlinu* "$work"/kernel/lib/modules/*/vmlinu*; do
	[ ! -f "$vmlinuz" ] || mv "$vmlinuz" "$work/kernel/vmlinuz"
done
[ -f "$work/kernel/vmlinuz" ] || fail "$binary holds no vmlinuz"
depmod --basedir "$work/kernel" "$(ls "$work/kernel/lib/modules")" >"$work/log" 2>&1 || fail "$(tail -n 1 "$work/log")"
# In place at once or not at all: whoever fetches the same beside this finds a whole kernel.
mv -T "$work/kernel" "$home" 2>/dev/null || [ -e "$home/vmlinuz" ]
echo "$home"
