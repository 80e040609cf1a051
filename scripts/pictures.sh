#!/bin/sh
# Writes docs/pictures: the shop of examples/docker-compose runs through all its problems, a minute each, and a browser
# renders what a real Prometheus then shows for panels of examples/grafana, and what kerntap top shows in a terminal.
# SHOP_PERIOD=30s makes it shorter. Leaves nothing but the pictures.
set -eu
cd "$(dirname "$0")/.."

scripts/deps.sh pictures
SHOP_PERIOD=${SHOP_PERIOD:-60s}
. scripts/compose.sh
pictures=docs/pictures
mkdir -p $pictures
length=$((${SHOP_PERIOD%s} * 5))

# One kerntap, that of the host, which sees all ends of the shop's connections, by the shop's ports: nothing else of this
# machine is to be in a picture.
cat >>"$example/bin/test.yaml" <<-END
	  kerntap-host:
	    environment: {KERNTAP_FILTER_PORTS: "8080,5432"}
END
bring_up kerntap-host database api client trouble collector prometheus
address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(container prometheus)")
say "the shop runs for $length seconds"
sleep $((length + 10)) # the first rate takes two looks of Prometheus, five seconds apart

near() { # near COMMAND...: in the network of the engine
	if [ -n "$engine" ]; then nsenter --target "$engine" --net "$@"; else "$@"; fi
}
browse() { # browse PNG WIDTH HEIGHT ADDRESS
	near env TZ=UTC chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --no-proxy-server \
		--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
		--user-data-dir="$work/browser" --window-size="$2,$3" --virtual-time-budget=20000 \
		--screenshot="$1" "$4" >"$work/browser.log" 2>&1 || {
		tail -n 20 "$work/browser.log" >&2
		fail "the browser does not render $4 (its last words are above)"
	}
}
render() { # render NAME WIDTH HEIGHT HTML: into a picture
	browse "$PWD/$pictures/$1.png" "$2" "$3" "file://$4"
	bytes=$(wc -c <"$pictures/$1.png")
	[ "$bytes" -gt 19000 ] || fail "$pictures/$1.png is empty but for words: it has $bytes bytes"
	say "$pictures/$1.png, $bytes bytes"
}

# The terminal first: the shop goes on.
tmux -L "$project" new-session -d -x 92 -y 8 "docker exec -it $(container kerntap-host) /kerntap top --sort failed"
sleep 5
{
	echo '<!DOCTYPE html><meta charset="utf-8"><body style="margin: 0"><pre style="font: 15px/20px DejaVu Sans Mono; padding: 12px; margin: 0">'
	tmux -L "$project" capture-pane -e -p | aha --no-header
} >"$work/top.html"
tmux -L "$project" kill-server
grep -q ' api\|>api\|^api' "$work/top.html" || fail "kerntap top shows no table"
render top 860 190 "$work/top.html"

{
	cat <<-END
		# Pictures of a real run

		Written by \`make pictures\`: the shop of [\`examples/docker-compose/\`](../../examples/docker-compose/) with another real problem
		every ${SHOP_PERIOD%s} seconds, watched by the kerntap of the host at the shop's ports (\`KERNTAP_FILTER_PORTS=8080,5432\`), a
		collector and a Prometheus. The graphs are cut out of Prometheus's own page in Chromium, and **not Grafana's**; title and
		question above them are those of a panel in [\`examples/grafana/\`](../../examples/grafana/), of all commands and with a
		\`\$__rate_interval\` of 20 s; the numbers below are minutes past the hour. The terminal is what \`kerntap top\` wrote into tmux, made HTML by
		aha and rendered by the same browser.

		This run: Linux $(uname -r | cut -d- -f1), $(prometheus --version 2>&1 | head -n 1 | cut -d ' ' -f 1-3 | tr -d ,), $(chromium --version 2>/dev/null | cut -d ' ' -f 1-2), $(date -u +%F).

		| from, UTC | what was wrong |
		|---|---|
	END
	docker logs "$(container client)" | sed 's/^\([0-9:]*\) \(.*\)/| \1 | \2 |/'
} >"$work/README.md"

panel() { # panel NAME DASHBOARD TITLE: the graph and its legend out of Prometheus's page, under the title and the question
	jq -e --arg title "$3" '.panels[] | select(.title == $title)' "examples/grafana/$2.json" >"$work/panel" ||
		fail "$2.json has no panel '$3'"
	# shellcheck disable=SC2016 # the dollars are Grafana's
	question=$(jq -r '.targets[0].expr' "$work/panel" | sed 's/\$job/kerntap-of-host/g; s/\$command/.*/g; s/\$__rate_interval/20s/g')
	answers "max_over_time(($question)[${length}s:5s]) > 0" || fail "the panel '$3' is empty"
	lines=$(ask "max_over_time(($question)[${length}s:5s])" | grep -c '=>') # of the legend
	page="http://$address:9090/classic/graph?g0.tab=0&g0.range_input=${length}s&g0.expr=$(jq -rn --arg q "$question" '$q | @uri')"
	browse "$work/page.png" 1000 1000 "$page"
	cat >"$work/panel.html" <<-END
		<!DOCTYPE html><meta charset="utf-8"><body style="margin: 0">
		<div style="font: bold 15px/20px DejaVu Sans; padding: 12px 16px 0">$3</div>
		<div style="font: 12px/16px DejaVu Sans Mono; padding: 4px 16px 0; height: 40px; overflow-wrap: anywhere">$question</div>
		<div style="overflow: hidden"><img src="page.png" style="margin-top: -336px"></div>
	END
	render "$1" 1000 $((530 + lines * 17)) "$work/panel.html"
	printf '\n## %s\n\n%s\n\n![%s](%s.png)\n' "$3" "$(jq -r .description "$work/panel")" "$3" "$1" >>"$work/README.md"
}
panel failures overview "Failed connections by command"
panel losses overview "Lost packets by reason"
panel listen-queues overview "Full listen queues"
printf '\n## kerntap top\n\n![kerntap top](top.png)\n' >>"$work/README.md"
cp "$work/README.md" $pictures/README.md
chown -R --reference=README.md $pictures
