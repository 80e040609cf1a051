#!/bin/sh
# Fetches the tools that tests call for a processor that is not this machine's, from Debian's packages, once, and prints
# the root folder that they were unpacked into. Remove the folder to fetch them anew.
#   scripts/tools.sh ARCHITECTURE      such as arm64
set -eu
. "$(dirname "$0")/apt.sh"

arch=$1
suite=bookworm # any that tests run on
packages="nftables iproute2 procps dash coreutils mount"
fail() { # fail WORDS
	echo "tools: those for $arch cannot be fetched: $1" >&2
	exit 1
}

roots=${XDG_CACHE_HOME:-$HOME/.cache}/kerntap/roots
home=$roots/$arch
if [ -e "$home/bin/sleep" ]; then
	echo "$home"
	exit 0
fi
echo "tools: fetching $packages for $arch from Debian's $suite" >&2
mkdir -p "$roots"
work=$(mktemp -d "$roots/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

own_apt "$work" "$arch"
fetched=""
for mirror in $mirrors; do
	use_mirror "$work" "$mirror" "$suite" || continue
	# shellcheck disable=SC2086 # a list of words
	apt-get install -q -y --download-only --no-install-recommends $packages >"$work/log" 2>&1 || continue
	fetched=yes
	break
done
[ -n "$fetched" ] || fail "no mirror of this machine's has them ($(tail -n 1 "$work/log"))"
for package in "$work"/cache/archives/*.deb; do
	case ${package##*/} in
	perl* | libperl*) ;; # what installing them would need, and they do not
	*) dpkg -x "$package" "$work/root" ;;
	esac
done
mv -T "$work/root" "$home" 2>/dev/null || [ -e "$home/bin/sleep" ]
echo "$home"
