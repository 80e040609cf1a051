#!/bin/sh
# Boots other kernels in an emulated machine, without any help of this one's processor, and runs the tests that touch
# the kernel on each: a line a kernel and test, the words of those that fail, and a summary. Fails if a test failed, or a
# kernel could not be fetched, died or took too long.
#   KERNELS="5.10 6.1-lockdown"   these alone: a series that scripts/kernels.sh knows, with -lockdown in the lockdown mode
#                                 confidentiality, in which programs may not read the kernel's memory at will
#   RUN=TestX                     the tests alone whose name matches this regular expression
set -eu
cd "$(dirname "$0")/.."

kernels=${KERNELS:-5.10 6.1 6.12 7.2 6.12-lockdown}
packages="internal/kernel internal/bpf internal/bpf/programs internal/bpf/programs/connection
	internal/bpf/programs/packet_drop"
# of the command what a kernel can change; the rest of its tests are about what follows behind
command="Privileges|CheckSays|Terminal|SignalEnds"
patience=300  # seconds that a machine may take: several times what it does
endurance=100 # seconds that one package may take: others still get their turn

scripts/deps.sh kernels
work=$(mktemp -d)
machine=""
clean() {
	trap - EXIT HUP INT TERM
	[ -z "$machine" ] || kill "$machine" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

plan() { # plan PACKAGE TESTS
	echo "$1 -test.short -test.timeout=${endurance}s -test.run=${RUN:-$2}" >>"$work/plan"
}
for package in $packages; do plan "$package" .; done
plan cmd/kerntap "$command"
scripts/initramfs.sh tests "$work/tests" "$work/plan"

boot() { # boot VMLINUZ PARAMETERS: its console goes to $work/console
	timeout "$patience" qemu-system-x86_64 -accel tcg,thread=multi -cpu Haswell -smp 2 -m 1024 \
		-nographic -vga none -net none -no-reboot -kernel "$1" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet loglevel=3 oops=panic panic=-1 mitigations=off $2" \
		</dev/null >"$work/output" 2>&1 &
	machine=$!
	wait "$machine" || true
	machine=""
	tr -d '\r' <"$work/output" >"$work/console"
}

verdict() { # verdict KERNEL VERDICT WORDS: what became of a kernel as a whole
	printf '%-14s %-4s %s\n' "$1" "$2" "$3" | tee -a "$work/results"
}

try() { # try KERNEL
	if ! home=$(scripts/kernels.sh "${1%-lockdown}" 2>"$work/log"); then
		verdict "$1" FAIL "$(tail -n 1 "$work/log")"
		return
	fi
	scripts/initramfs.sh modules "$work/modules" "$home"
	cat "$work/tests" "$work/modules" >"$work/initrd"
	parameters=""
	[ "$1" = "${1%-lockdown}" ] || parameters=lockdown=confidentiality
	began=$(date +%s)
	boot "$home/vmlinuz" "$parameters"
	took=$(($(date +%s) - began))

	sed -n "s/^vm| /$(printf '%-14s' "$1")      | /p; s/^vm: \(PASS\|FAIL\|SKIP\) /$(printf '%-14s' "$1") \1 /p" \
		"$work/console" | tee -a "$work/results"
	booted=$(sed -n 's/^vm: KERNEL //p' "$work/console")
	case $1 in
	*-lockdown)
		case $booted in
		*confidentiality*) ;;
		*) verdict "$1" FAIL "the kernel is not in lockdown: ${booted:-it did not boot}" ;;
		esac
		;;
	esac
	if grep -q '^vm: END' "$work/console"; then
		verdict "$1" DONE "$booted, $took s"
	elif grep -q 'Kernel panic' "$work/console"; then
		grep -B 30 -A 15 'Kernel panic' "$work/console" | sed "s/^/$(printf '%-14s' "$1")      | /"
		verdict "$1" FAIL "the kernel panicked after $took s (its last words are above)"
	else
		tail -n 20 "$work/console" | sed "s/^/$(printf '%-14s' "$1")      | /"
		verdict "$1" FAIL "the machine did not finish within $took s (its last words are above)"
	fi
}

for kernel in $kernels; do try "$kernel"; done

echo
count() { # count KERNEL VERDICT
	awk -v kernel="$1" -v verdict="$2" '$1 == kernel && $2 == verdict' "$work/results" | wc -l
}
failures=0
for kernel in $kernels; do
	failed=$(count "$kernel" FAIL)
	failures=$((failures + failed))
	echo "test-kernels: $kernel: $(count "$kernel" PASS) passed, $failed failed, $(count "$kernel" SKIP) skipped;" \
		"$(sed -n "s/^$kernel  *DONE //p" "$work/results" | grep . || echo it did not end)"
done
[ "$failures" -eq 0 ]
