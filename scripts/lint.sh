#!/bin/sh
# Formatting, vet, staticcheck, and generated files that are what their sources generate.
set -eu

unformatted=$(gofmt -l cmd internal examples scripts)
if [ -n "$unformatted" ]; then
	echo "lint: gofmt would change:" $unformatted >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
go mod tidy -diff
go run ./scripts/reference -check

before=$(git ls-files -s -- '*_bpfel.go' '*_bpfel.o'; git hash-object $(git ls-files -- '*_bpfel.go' '*_bpfel.o'))
go generate ./...
after=$(git ls-files -s -- '*_bpfel.go' '*_bpfel.o'; git hash-object $(git ls-files -- '*_bpfel.go' '*_bpfel.o'))
if [ "$before" != "$after" ]; then
	echo "lint: generated files are not up to date; go generate changed:" >&2
	git diff --stat -- '*_bpfel.go' '*_bpfel.o' >&2
	exit 1
fi
echo "lint: clean"
