#!/bin/sh
# Writes the two halves of a first root file system, uncompressed: an emulated processor unpacks slowly.
#   scripts/initramfs.sh tests FILE ARCHITECTURE PACKAGE...
#                            init, kerntap, the tools that tests call, and the test binaries of packages
#   scripts/initramfs.sh kernel FILE KERNEL PLAN
#                            the modules that tests need, of a folder that scripts/kernels.sh printed, and what to run:
#                            lines of a package and arguments of its test binary
set -eu
cd "$(dirname "$0")/.."

half=$1
file=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin
# What the firewalls and devices of tests ask for. Nothing loads modules on demand there, and what a kernel has built in
# or does not have is passed over: tests say what they lack.
wanted="crc32c_generic crc32c_intel nf_tables nft_counter nft_ct nft_limit nft_numgen nft_quota nft_log nft_reject_ipv4
	nft_reject_ipv6 nft_reject_inet veth dummy bridge sch_netem sch_ingress tcp_diag udp_diag raw_diag xfrm_user
	vxlan ip_gre ipip"
later="geneve" # a test loads it, which needs no module that those above do not
tools="nft ip sysctl ss sh sleep mount umount"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/root"

add_tool() { # add_tool COMMAND: with the libraries that it is linked to, where the loader looks for them
	path=$(command -v "$1")
	cp -L "$path" "$work/root/bin/"
	ldd "$path" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$work/root$(dirname "$library")"
		cp -L "$library" "$work/root$library"
	done
}

# The tools of another processor are linked to libraries that this one's loader cannot name: it gets all there are.
add_foreign_tools() {
	root=$(scripts/tools.sh "$arch")
	for tool in $tools; do
		find "$root" -path "*bin/$tool" -exec cp -L {} "$work/root/bin/" \;
	done
	(cd "$root" && find lib usr/lib -name '*.so*' -type f,l -exec cp -P --parents {} "$work/root/" \;)
}

tests() { # tests ARCHITECTURE PACKAGE...
	arch=$1
	shift
	mkdir -p "$work/root/bin" "$work/root/tests" "$work/root/tmp" "$work/root/etc"
	if [ "$arch" = "$(go env GOHOSTARCH)" ]; then
		for tool in $tools; do add_tool "$tool"; done
	else
		add_foreign_tools
	fi
	export CGO_ENABLED=0 GOOS=linux GOARCH="$arch"
	go build -trimpath -ldflags "-s -w" -o "$work/root/init" ./internal/bpf/bpftest/vminit
	go build -trimpath -ldflags "-s -w" -o "$work/root/bin/kerntap" ./cmd/kerntap
	for package in "$@"; do
		mkdir -p "$work/root/tests/$package"
		go test -c -trimpath -ldflags "-s -w" -o "$work/root/tests/$package/test" "./$package"
	done
	# what tests open beside themselves, where go test would have them find it
	find internal -name '*_bpfel.o' -exec cp --parents {} "$work/root/tests/" \;
	cp --parents docs/diagnoses.md "$work/root/tests/"
}

# Each line of modules.dep names a module and, in reverse, what must be loaded before it.
in_order() { # in_order MODULES.DEP
	awk -v wanted="$wanted" '
		function name(path) { sub(/.*\//, "", path); sub(/\.ko.*/, "", path); gsub(/-/, "_", path); return path }
		{ line = $0; sub(/:/, "", line); needs[name($1)] = line }
		END {
			seeds = split(wanted, seed)
			for (s = 1; s <= seeds; s++) {
				paths = split(needs[seed[s]], path)
				for (p = paths; p > 0; p--) if (!listed[path[p]]++) print path[p]
			}
		}' "$1"
}

add_module() { # add_module PATH FOLDER: prints what it is called there
	name=$(basename "$1" .xz)
	case $1 in
	*.xz) xz -dc "$1" >"$2/$name" ;;
	*) cp "$1" "$2/$name" ;;
	esac
	echo "$name"
}

kernel() { # kernel KERNEL PLAN
	mkdir -p "$work/root/modules/later" "$work/root/tests"
	cp "$2" "$work/root/tests/plan"
	for dep in "$1"/lib/modules/*/modules.dep; do
		in_order "$dep" | while read -r path; do
			add_module "$(dirname "$dep")/$path" "$work/root/modules" >>"$work/root/modules/order"
		done
		grep -o "^[^:]*/$later\.ko[^:]*" "$dep" | while read -r path; do
			add_module "$(dirname "$dep")/$path" "$work/root/modules/later" >/dev/null
		done
	done
	[ -s "$work/root/modules/order" ] || {
		echo "initramfs: $1 holds none of the modules that tests need" >&2
		exit 1
	}
}

case $half in
tests | kernel) $half "$@" ;;
*)
	echo "initramfs: tests or kernel, not $half" >&2
	exit 2
	;;
esac
(cd "$work/root" && find . | cpio --quiet --create --format newc --owner 0:0) >"$file"
