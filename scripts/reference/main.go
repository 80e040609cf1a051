// Command reference writes docs/reference.md from the tables that kerntap itself is made of: the names of records,
// attributes and metrics, the options, the endpoints of the local API, and the commands' own help. With -check it changes
// nothing, and fails if the file is not what it would write.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
	"github.com/kerntap/kerntap/internal/config"
)

const (
	namesFile = "internal/telemetry/names.go"
	reference = "docs/reference.md"
)

func main() {
	check := flag.Bool("check", false, "change nothing; fail if the reference is not up to date")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	var out bytes.Buffer
	out.WriteString("# Reference\n\nWritten by `go run ./scripts/reference` from kerntap's own tables; CI refuses a difference.\n")
	for _, part := range []func(*bytes.Buffer) error{commands, telemetryNames, options, programOptions, endpoints} {
		if err := part(&out); err != nil {
			return err
		}
	}
	if !check {
		return os.WriteFile(reference, out.Bytes(), 0o644)
	}
	written, err := os.ReadFile(reference)
	if err == nil && !bytes.Equal(written, out.Bytes()) {
		err = fmt.Errorf("%s is not what kerntap's tables say: go run ./scripts/reference", reference)
	}
	return err
}

// commands are what each command says of itself.
func commands(out *bytes.Buffer) error {
	fmt.Fprintf(out, "\n## Commands\n\nOptions that several commands have in common stand below, under Options.\n")
	dir, err := os.MkdirTemp("", "reference")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := dir + "/kerntap"
	if said, err := exec.Command("go", "build", "-o", binary, "./cmd/kerntap").CombinedOutput(); err != nil {
		return fmt.Errorf("build kerntap: %w: %s", err, said)
	}
	listed, err := exec.Command(binary, "--help").Output()
	if err != nil {
		return fmt.Errorf("ask for the commands: %w", err)
	}
	for _, name := range commandsIn(string(listed)) {
		help, err := exec.Command(binary, name, "--help").Output()
		if err != nil {
			return fmt.Errorf("ask %s for help: %w", name, err)
		}
		fmt.Fprintf(out, "\n### kerntap %s\n\n```text\n%s```\n", name, withoutOptions(string(help)))
	}
	return nil
}

// commandsIn are the commands that a help lists, but for the one that every such program has.
func commandsIn(help string) (names []string) {
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; name != "help" {
			names = append(names, name)
		}
	}
	return names
}

// withoutOptions leaves out of a help the flags that the table of options has.
func withoutOptions(help string) string {
	known := map[string]bool{"help": true}
	for _, option := range config.Options() {
		known[option.Flag] = true
	}
	var kept []string
	for line := range strings.Lines(help) {
		_, flagged, found := strings.Cut(line, "--")
		name, _, _ := strings.Cut(flagged, " ")
		if found && strings.HasPrefix(line, "  ") && known[strings.TrimSpace(name)] && !strings.HasPrefix(line, "  kerntap") {
			continue
		}
		kept = append(kept, line)
	}
	return strings.TrimRight(strings.TrimSuffix(strings.TrimRight(strings.Join(kept, ""), "\n"), "\nFlags:"), "\n") + "\n"
}

func options(out *bytes.Buffer) error {
	fmt.Fprintf(out, "\n## Options\n\nFlags win over the environment, the environment over the file; where two variables are given, the first wins.\n\n"+
		"| file | flag | environment | default | |\n|---|---|---|---|---|\n")
	for _, o := range config.Options() {
		var names []string
		for _, name := range []string{o.Env, o.OTelEnv} {
			if name != "" {
				names = append(names, "`"+name+"`")
			}
		}
		flag := ""
		if o.Flag != "" {
			flag = "`--" + o.Flag + "`"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", code(o.Key), flag, strings.Join(names, " "), code(o.Default), cell(o.Help))
	}
	return nil
}

// endpoints are those that the API's own index names, and the index.
func endpoints(out *bytes.Buffer) error {
	fmt.Fprintf(out, "\n## Endpoints of the local API\n\n| method and path | |\n|---|---|\n")
	server := api.New(api.Options{Metrics: http.NotFoundHandler()})
	described, err := client.InProcess(server.Handler()).Endpoints(context.Background())
	if err != nil {
		return err
	}
	rows := []string{"| `/` | What kerntap is, and these endpoints |\n"}
	for path, words := range described {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", strings.ReplaceAll(path, "|", "` or `"), cell(words)))
	}
	slices.Sort(rows)
	out.WriteString(strings.Join(rows, ""))
	return nil
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// cell is a text that fits into a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
