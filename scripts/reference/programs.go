package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/bpf/programs/tcp_trouble"
)

// programDefaults are the settings of each program for which nothing is set.
var programDefaults = map[string]any{
	connection.Name:  connection.DefaultConfig(),
	packet_drop.Name: packet_drop.DefaultConfig(),
	tcp_trouble.Name: tcp_trouble.DefaultConfig(),
}

// programOptions are the keys of each program, whose meaning is the comment over the field that takes them.
func programOptions(out *bytes.Buffer) error {
	fmt.Fprintf(out, "\nEach program has keys of its own, in the file alone.\n\n| file | default | |\n|---|---|---|\n")
	for _, entry := range programs.All() {
		defaults, known := programDefaults[entry.Name]
		if !known {
			return fmt.Errorf("nobody says what %s does without settings: programs.go", entry.Name)
		}
		fmt.Fprintf(out, "| `programs.%s.enabled` | `true` | whether it runs |\n", entry.Name)
		meanings, err := configMeanings("internal/bpf/programs/" + entry.Name)
		if err != nil {
			return err
		}
		config := reflect.ValueOf(defaults)
		for field, value := range config.Fields() {
			key := fmt.Sprintf("programs.%s.%s", entry.Name, field.Tag.Get("yaml"))
			meaning := strings.TrimPrefix(meanings[field.Name], field.Name+" are ")
			if meaning == "" {
				return fmt.Errorf("no comment says what %s means", key)
			}
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", key, code(strings.Trim(fmt.Sprint(value), "[]")), cell(meaning))
		}
	}
	return nil
}

// configMeanings are the comments over the fields of a package's Config, in one line each.
func configMeanings(folder string) (map[string]string, error) {
	files, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		return nil, err
	}
	meanings := make(map[string]string)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read the settings: %w", err)
		}
		config, ok := file.Scope.Objects["Config"]
		if !ok {
			continue
		}
		spec, ok := config.Decl.(*ast.TypeSpec)
		if !ok {
			return nil, fmt.Errorf("%s: Config is no type", name)
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			meanings[field.Names[0].Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
	}
	return meanings, nil
}
