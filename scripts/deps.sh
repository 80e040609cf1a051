#!/bin/sh
# Installs what building the BPF objects and the privileged tests need, from Debian's packages and only if it is
# missing. On other systems it names what is missing and fails.
# With the word "engine" also a container engine and compose, for scripts/test-compose.sh alone; with the word "kernels"
# also what boots other kernels, for scripts/test-kernels.sh alone; with "packages" what looks into packages, for
# scripts/test-release.sh alone; with "pictures" what renders them, for scripts/pictures.sh alone.
set -eu

missing=""
need() { # need COMMAND PACKAGE
	PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need clang-19 clang-19
need llvm-strip-19 llvm-19
need nft nftables
need sysctl procps
need gcc gcc # for the race detector
need curl curl
need ip iproute2 # network namespaces, and ss
need tcplife libbpf-tools # which connections are compared with
need prometheus prometheus # which rules and dashboards are tried with, and promtool
need systemd-analyze systemd # to verify the unit of examples/systemd
if [ "${1:-}" = engine ]; then # what scripts/test-compose.sh needs, and nothing else does
	need dockerd docker.io
	need iptables iptables # without it the engine has no networks
	need docker-compose docker-compose
	need jq jq
fi
if [ "${1:-}" = kernels ]; then # what scripts/test-kernels.sh needs, and nothing else does
	need qemu-system-x86_64 qemu-system-x86
	need qemu-system-aarch64 qemu-system-arm
	need cpio cpio
	need depmod kmod
	need xz xz-utils
fi
if [ "${1:-}" = packages ]; then # what scripts/test-release.sh needs, and nothing else does
	need rpm rpm
	need readelf binutils
	need setpriv util-linux
	need jq jq
fi
if [ "${1:-}" = pictures ]; then # what scripts/pictures.sh needs, and nothing else does
	need chromium chromium
	need aha aha
	need tmux tmux
	need jq jq
	need nsenter util-linux
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: this is not Debian; install these yourself:$missing" >&2
	exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "deps: installing$missing from Debian's packages"
$sudo apt-get update -q >/dev/null
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing >/dev/null
