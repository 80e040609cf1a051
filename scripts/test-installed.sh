#!/bin/sh
# The second half of scripts/test-release.sh, in namespaces that it made: never to be called by itself.
#   test-installed.sh FOLDER      with kerntap.deb in it
set -eu
work=$1
fail() { # fail WORDS
	echo "test-installed: $1" >&2
	exit 1
}
[ "$$" -eq 1 ] || fail "this is no namespace of its own"

mkdir "$work/memory" "$work/root"
mount -t tmpfs none "$work/memory"
mkdir "$work/memory/upper" "$work/memory/work"
mount -t overlay none -o "lowerdir=/,upperdir=$work/memory/upper,workdir=$work/memory/work" "$work/root"
for folder in proc sys dev; do mount --rbind "/$folder" "$work/root/$folder"; done
mkdir -p "$work/root/run" "$work/root/tmp"
mount -t tmpfs none "$work/root/run" # no systemd runs here
cp "$work/kerntap.deb" "$work/root/run/"
ip link set lo up
inside() { chroot "$work/root" "$@"; }

inside dpkg -i /run/kerntap.deb >/dev/null
inside kerntap version
inside kerntap check >"$work/check" || fail "kerntap check fails: $(cat "$work/check")"
unit=$work/root/usr/lib/systemd/system/kerntap.service
start=$(sed -n 's/^ExecStart=//p' "$unit")
[ -n "$start" ] || fail "the unit starts nothing"
grep -q '^AmbientCapabilities=.*CAP_BPF' "$unit" || fail "the unit grants no CAP_BPF"

# As systemd would start it: an ordinary user who has the unit's capabilities and no more. BPF is 39, PERFMON 38.
# There is no collector here.
# shellcheck disable=SC2086 # the words of the command
OTEL_SDK_DISABLED=true chroot "$work/root" setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all,+cap_38,+cap_39 \
	--ambient-caps=-all,+cap_38,+cap_39 --bounding-set=-all,+cap_38,+cap_39 $start >"$work/service" 2>&1 &
service=$!
for _ in $(seq 50); do
	if inside kerntap ready 2>/dev/null; then break; fi
	kill -0 $service 2>/dev/null || fail "the service ended: $(cat "$work/service")"
	sleep 0.2
done
inside kerntap ready || fail "the service is not ready after 10 seconds: $(cat "$work/service")"
inside curl -s --noproxy '*' http://127.0.0.1:9/ || true
seen=$(timeout 10 chroot "$work/root" kerntap watch --since 1m --command curl --reason refused --event failed --count 1 2>/dev/null) ||
	fail "the service did not see the refused connect"
echo "test-release: the installed service saw: $seen"
kill -TERM $service
wait $service || fail "the service did not end in order: $(cat "$work/service")"

echo 'log_level: warn' >>"$work/root/etc/kerntap/kerntap.yaml"
inside dpkg -i /run/kerntap.deb >/dev/null 2>&1 || fail "it cannot be installed over itself"
grep -q '^log_level: warn' "$work/root/etc/kerntap/kerntap.yaml" || fail "installing it again overwrote the configuration"
inside dpkg -r kerntap >/dev/null
[ -e "$work/root/etc/kerntap/kerntap.yaml" ] || fail "removing it removed the configuration"
inside dpkg -P kerntap >/dev/null 2>&1
left=$(find "$work/root/usr/bin/kerntap" "$work/root/etc/kerntap" "$unit" 2>/dev/null) || true
[ -z "$left" ] || fail "it left behind: $left"
echo "test-release: the deb was installed, checked, run, installed again and removed, and left nothing"
