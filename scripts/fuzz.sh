#!/bin/sh
# Fuzzes every fuzz function of every package for DURATION each, ten seconds unless given, one after the other. What fails is kept
# in the testdata of its package, where every run of the tests tries it again.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}

failed=0
for package in $($GO list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for function in $(cd "$($GO list -f '{{.Dir}}' "$package")" && grep -ho '^func Fuzz[A-Za-z0-9_]*' -- *_test.go | cut -d' ' -f2); do
		echo "== $package $function"
		$GO test -run '^$' -fuzz "^$function\$" -fuzztime "${DURATION:-10s}" "$package" || failed=1
	done
done
exit "$failed"
