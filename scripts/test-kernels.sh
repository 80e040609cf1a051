#!/bin/sh
# Boots other kernels in emulated machines, without any help of this one's processor, and runs the tests that touch the
# kernel on each: a line a kernel and test, the words of those that fail, and a summary. Fails if a test failed, or a
# kernel could not be fetched, died or took too long.
#   KERNELS="host 6.1-lockdown"   these alone: a series that scripts/kernels.sh knows, with -lockdown in the lockdown mode
#                                 confidentiality, in which programs may not read the kernel's memory at will, or with
#                                 -arm64 on another processor; host is this machine as it is, which needs root
#   TESTS=core                    on each kernel the core of the tests, by which the README's table is made
#   RUN=TestX                     the tests alone whose name matches this regular expression
#   LANES=2                       so many machines at a time, not one more than there are CPUs
#   TABLE=write                   write what was found into the README's table, instead of comparing
# What each kernel said is left in bin/kernels/.
set -eu
cd "$(dirname "$0")/.."

# the slowest first: the last machine runs alone
kernels=${KERNELS:-6.12-arm64 6.12 7.2 6.1 5.10 6.12-lockdown host}
columns="5.10 6.1 6.12 6.12-lockdown 6.12-arm64 7.2 host" # of the README's table
packages="internal/kernel internal/bpf internal/bpf/programs internal/bpf/programs/connection
	internal/bpf/programs/packet_drop internal/bpf/programs/tcp_trouble"
# of the command what a kernel can change; the rest of its tests are about what follows behind
command="Privileges|CheckSays|TheTerminal|ASignalEndsKerntap"
# what shows each of the table's features
core="BothEnds|TestRefused|RejectedByTheFirewall|MPTCP|ReusePort|ListensAfter|OwnersCgroup|OlderThan|ToTheBucket|FullSpeed
	FirewallDrops|NoSocketIsRefused|HasItsOwner|LocationIs|AFloodIs|HealthyTraffic|OfThisKernel|SelfPID|DroppedPriv"
lanes=${LANES:-$(($(nproc) + 1))} # a machine keeps a CPU less than busy
patience=1200 # seconds that a machine may take: several times what it does
booting=180   # seconds until its kernel has come as far as the tests: it does in some twenty
endurance=600 # seconds that one package may take: others still get their turn

[ -z "${KERNELS:-}${RUN:-}" ] || [ "${TABLE:-}" != write ] || {
	echo "test-kernels: the table needs all kernels, and all tests or their core" >&2
	exit 2
}
case ${TESTS:-all} in
all | core) ;;
*)
	echo "test-kernels: TESTS is $TESTS, want core or all" >&2
	exit 2
	;;
esac
scripts/deps.sh kernels
mkdir -p bin/kernels
work=$(mktemp -d)
running=""
clean() {
	trap - EXIT HUP INT TERM
	# shellcheck disable=SC2086 # a list of processes
	[ -z "$running" ] || kill $running 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

architecture() { # architecture KERNEL
	case $1 in
	host*) go env GOHOSTARCH ;;
	*-arm64*) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

plan() { # plan WHICH PACKAGE TESTS
	echo "$2 -test.short -test.timeout=${endurance}s -test.run=${RUN:-$3}" >>"$work/plan-$1"
}
for package in $packages; do
	plan all "$package" .
	plan core "$package" "$(echo "$core" | sed -e 's/^[[:space:]]*//' | paste -s -d '|')"
done
plan all cmd/kerntap "$command"
plan core cmd/kerntap 'CheckSays|PrivilegesBeyond/^000011$' # with the two that are needed, and no more

what() { # what KERNEL: which tests it gets: the core on a processor that is slower still, and where make test runs all
	case $1 in
	host | *-arm64) echo core ;;
	*) echo "${TESTS:-all}" ;;
	esac
}
for kernel in $kernels; do
	arch=$(architecture "$kernel")
	# shellcheck disable=SC2086 # a list of words
	[ -e "$work/tests-$arch" ] || scripts/initramfs.sh tests "$work/tests-$arch" "$arch" $packages cmd/kerntap
done

machine() { # machine KERNEL VMLINUZ: its console goes to standard output
	parameters="quiet loglevel=3 oops=panic panic=-1 mitigations=off"
	case $1 in
	*-lockdown*) parameters="$parameters lockdown=confidentiality" ;;
	esac
	case $(architecture "$1") in
	arm64) set -- "$2" "$1" qemu-system-aarch64 -M virt -cpu cortex-a57 -append "console=ttyAMA0 $parameters" ;;
	*) # whose boot otherwise tries whether timers keep time, which they do not where the host is busy
		set -- "$2" "$1" qemu-system-x86_64 -cpu Haswell -append "console=ttyS0 no_timer_check $parameters" ;;
	esac
	vmlinuz=$1
	initrd=$work/$2/initrd
	shift 2
	exec timeout -k 10 "$patience" "$@" -accel tcg,thread=multi -smp 2 -m 1024 -nographic -vga none -net none -no-reboot \
		-kernel "$vmlinuz" -initrd "$initrd"
}

say() { # say KERNEL: each line of standard input with the kernel before it, where people and the summary read it
	sed "s/^/$(printf '%-14s' "$1") /" | tee -a "$work/$1/results"
}

# Fails if the kernel has not come as far as the tests in time; a machine that ended before that is not late.
boot() { # boot KERNEL VMLINUZ
	: >"$work/$1/output"
	machine "$1" "$2" </dev/null >"$work/$1/output" 2>&1 &
	machine=$!
	late=yes
	for _ in $(seq "$booting"); do
		sleep 1
		if grep -q '^vm: ' "$work/$1/output" || ! kill -0 "$machine" 2>/dev/null; then
			late=""
			break
		fi
	done
	if [ -n "$late" ]; then
		echo "LATE the kernel has said nothing within $booting s" | say "$1"
		kill "$machine"
	fi
	wait "$machine" || true
	machine=""
	[ -z "$late" ]
}

# Boots a kernel, or does without, and leaves what its console says.
emulate() { # emulate KERNEL FOLDER PLAN
	scripts/initramfs.sh kernel "$work/$1/half" "$2" "$3"
	cat "$work/tests-$(architecture "$1")" "$work/$1/half" >"$work/$1/initrd"
	boot "$1" "$2/vmlinuz" || boot "$1" "$2/vmlinuz" || true # an emulated machine hangs at times before its kernel says a word
	rm "$work/$1/initrd"
	tr -d '\r' <"$work/$1/output" >"$work/$1/console"
}
on_host() { # on_host PLAN
	root=$work/host/root
	rm -rf "$root"
	mkdir -p "$root/tests"
	(cd "$root" && cpio --quiet --extract --make-directories) <"$work/tests-$(architecture host)"
	cp "$1" "$root/tests/plan"
	sudo=""
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	timeout "$patience" $sudo "$root/init" "$root" </dev/null >"$work/host/console" 2>&1 &
	machine=$!
	wait "$machine" || true
	machine=""
}

try() { # try KERNEL PLAN
	began=$(date +%s)
	if [ "$1" = host ]; then
		on_host "$2"
	elif home=$(scripts/kernels.sh "${1%%-*}" "$(architecture "$1")" 2>"$work/$1/log"); then
		emulate "$1" "$home" "$2"
	else
		echo "FAIL $(tail -n 1 "$work/$1/log")" | say "$1"
		return
	fi
	judge "$1" $(($(date +%s) - began))
}

judge() { # judge KERNEL SECONDS
	console=$work/$1/console
	sed -n "s/^vm: //p" "$console" >"bin/kernels/$1"
	sed -n "s/^vm| /     | /p; s/^vm: \(PASS\|FAIL\|SKIP\) /\1 /p" "$console" | say "$1"
	booted=$(sed -n 's/^vm: KERNEL //p' "$console")
	case $1-$booted in
	*-lockdown-*confidentiality*) ;;
	*-lockdown-*) echo "FAIL the kernel is not in lockdown: ${booted:-it did not boot}" | say "$1" ;;
	esac
	if ! grep -q ' \(PASS\|FAIL\|SKIP\) ' "$work/$1/results"; then
		echo "FAIL no test ran: ${RUN:-the plan} matches none" | say "$1"
	fi
	if grep -q '^vm: END' "$console"; then
		echo "DONE $booted, $2 s" | say "$1"
	elif grep -q 'Kernel panic' "$console"; then
		grep -B 30 -A 15 'Kernel panic' "$console" | sed "s/^/     | /" | say "$1"
		echo "FAIL the kernel panicked after $2 s (its last words are above)" | say "$1"
	else
		tail -n 20 "$console" | sed "s/^/     | /" | say "$1"
		echo "FAIL the machine did not finish within $2 s (its last words are above)" | say "$1"
	fi
}

# What failed is tried once more, alone, in a machine of its own: an emulated one has few of its seconds while the host has
# none for it. A test that fails then, too, has failed.
again() { # again KERNEL
	results=$work/$1/results
	second=$work/$1-again
	awk -v options="-test.short -test.timeout=${endurance}s" \
		'$2 == "FAIL" && $4 ~ /^Test/ { print $3, options, "-test.run=^" $4 "$" }' "$results" >"$work/plan-$1-again"
	[ "$1" != host ] && [ -s "$work/plan-$1-again" ] && grep -q ' DONE ' "$results" || return 0
	mkdir "$second"
	try "$1-again" "$work/plan-$1-again"
	awk '$2 == "PASS" { print $3, $4 }' "$second/results" | while read -r package test; do
		sed -i "s:^\([^ ]* *\)FAIL \($package $test\) :\1PASS \2 the second time, after :" "$results"
		sed -i "s:^FAIL \($package $test\) :PASS \1 :" "bin/kernels/$1"
	done
	rm -f "bin/kernels/$1-again"
}

lane() { # takes one kernel after the other, of those that no other lane has taken
	machine=""
	trap '[ -z "$machine" ] || kill "$machine"' EXIT
	trap 'exit 1' HUP INT TERM
	for kernel in $kernels; do
		mkdir "$work/$kernel" 2>/dev/null || continue
		try "$kernel" "$work/plan-$(what "$kernel")"
		again "$kernel"
	done
}
for _ in $(seq "$lanes"); do
	lane &
	running="$running $!"
done
for lane in $running; do wait "$lane"; done
running=""

echo
count() { # count KERNEL VERDICT
	awk -v verdict="$2" '$2 == verdict' "$work/$1/results" | wc -l
}
failures=0
for kernel in $kernels; do
	failed=$(count "$kernel" FAIL)
	failures=$((failures + failed))
	echo "test-kernels: $kernel: $(count "$kernel" PASS) passed, $failed failed, $(count "$kernel" SKIP) skipped;" \
		"$(sed -n "s/^$kernel  *DONE //p" "$work/$kernel/results" | grep . || echo it did not end)"
done
[ "$failures" -eq 0 ]

[ -z "${RUN:-}" ] || exit 0 # the table needs more tests
write=""
[ "${TABLE:-}" != write ] || write=-write
results=""
for kernel in $columns; do
	case " $kernels " in
	*" $kernel "*) results="$results bin/kernels/$kernel" ;;
	esac
done
# shellcheck disable=SC2086 # lists of words
go run ./internal/bpf/bpftest/kerneltable $write README.md $results
