#!/bin/sh
# Has the real collector validate otel-collector.yaml with every combination of overlays that a user may write, and
# refuse, with its reason, what must not start: an overlay without the address that it is about.
set -eu
cd "$(dirname "$0")/.."

collector=$(scripts/collector.sh)
overlays=examples/collector
# What the caller's environment says about a real vendor is no business of this test.
unset LOKI_ENDPOINT VENDOR_OTLP_ENDPOINT VENDOR_OTLP_HEADERS GATEWAY_ENDPOINT GATEWAY_INSECURE GATEWAY_CA_FILE K8S_NODE_NAME

validate() { # validate OVERLAY...
	arguments="--config otel-collector.yaml"
	for overlay in "$@"; do arguments="$arguments --config $overlays/$overlay.yaml"; done
	# shellcheck disable=SC2086 # a list of words
	"$collector" validate $arguments
}
count=0
valid() { # valid OVERLAY...
	count=$((count + 1))
	validate "$@" || {
		echo "validate: the collector refuses otel-collector.yaml with: $*" >&2
		exit 1
	}
}
refused() { # refused REASON OVERLAY...
	reason=$1
	shift
	if said=$(validate "$@" 2>&1); then
		echo "validate: the collector takes what it must refuse: $*" >&2
		exit 1
	fi
	case $said in
	*"$reason"*) ;;
	*)
		echo "validate: $* is refused for another reason than \"$reason\": $said" >&2
		exit 1
		;;
	esac
}

refused "otlp_http/vendor: at least one endpoint must be specified" vendor
refused 'otlp_grpc/gateway: requires a non-empty "endpoint"' gateway

export VENDOR_OTLP_ENDPOINT=https://otlp.example.com GATEWAY_ENDPOINT=gateway.example.com:4317
for kubernetes in "" kubernetes; do
	for file in "" file; do
		for gateway in "" gateway; do
			for vendor in "" vendor "vendor durable"; do
				# shellcheck disable=SC2086 # lists of words
				valid $kubernetes $file $gateway $vendor
			done
		done
	done
	LOKI_ENDPOINT=http://loki:3100
	export LOKI_ENDPOINT
	for vendor in "" "vendor durable"; do
		# shellcheck disable=SC2086 # lists of words
		valid $kubernetes prometheus loki $vendor
		# shellcheck disable=SC2086 # lists of words
		valid $kubernetes kafka $vendor
		# shellcheck disable=SC2086 # lists of words
		valid $kubernetes from-kafka $vendor
	done
done
VENDOR_OTLP_HEADERS='{api-key: "secret", x-team: net}' valid vendor
GATEWAY_INSECURE=true K8S_NODE_NAME=node-1 valid gateway kubernetes
DEBUG_VERBOSITY=detailed OTLP_GRPC_ENDPOINT=0.0.0.0:4317 OTLP_HTTP_ENDPOINT=0.0.0.0:4318 COLLECTOR_MEMORY_MIB=800 valid

# Every overlay must have been in some combination.
for overlay in "$overlays"/*.yaml; do
	case $(basename "$overlay" .yaml) in
	manifest | kubernetes | file | gateway | vendor | durable | prometheus | loki | kafka | from-kafka) ;;
	*)
		echo "validate: $overlay is validated nowhere; add it to scripts/validate-collector.sh" >&2
		exit 1
		;;
	esac
done
echo "validate: the collector takes $count combinations of otel-collector.yaml and its overlays"
