package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// programsKey is the key under which every program has a key of its own.
const programsKey = "programs"

// Program is what is set about one program. The zero Program is switched off and has no settings.
type Program struct {
	// Enabled tells whether the program is to run.
	Enabled bool

	name     string
	file     file
	settings []entry
}

// Decode sets the fields of the struct that into points to from the program's own keys; a field whose key does not
// stand in the file keeps its value. Fields are called as their yaml tag says, else in lower case. An unknown key, a
// second one of a name and a value of another type are refused with one line that names file, line and full key. Load
// cannot know these keys: until someone decodes them, also for a program that is switched off, they are unchecked.
func (p Program) Decode(into any) error {
	return p.file.decodeStruct(p.settings, programsKey+"."+p.name, into)
}

// selectPrograms enables the programs of a list separated by commas and switches all others off.
func selectPrograms(c *Config, text string) error {
	programs := maps.Clone(c.Programs)
	for name, program := range programs {
		program.Enabled = false
		programs[name] = program
	}
	selected := 0
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		program, known := programs[name]
		if !known {
			return unknownProgram(c, name)
		}
		program.Enabled = true
		programs[name] = program
		selected++
	}
	if selected == 0 {
		return fmt.Errorf("%q names no program (known: %s)", text, knownPrograms(c))
	}
	c.Programs = programs
	return nil
}

// applyPrograms sets what the file sets below the key programs.
func (f file) applyPrograms(c *Config, node *yaml.Node) error {
	all, err := f.entries(node, programsKey)
	if err != nil {
		return err
	}
	for _, e := range all {
		name := e.key.Value
		if _, known := c.Programs[name]; !known {
			return f.errorAt(e.key, "%s%w", at(join(programsKey, name)), unknownProgram(c, name))
		}
		program, err := f.program(e.value, name)
		if err != nil {
			return err
		}
		c.Programs[name] = program
	}
	return nil
}

func (f file) program(node *yaml.Node, name string) (Program, error) {
	program := Program{Enabled: true, name: name, file: f}
	if isNull(node) {
		return program, nil
	}
	path := join(programsKey, name)
	all, err := f.entries(node, path)
	if err != nil {
		return Program{}, err
	}
	for _, e := range all {
		if e.key.Value != "enabled" {
			program.settings = append(program.settings, e)
			continue
		}
		if isNull(e.value) {
			continue
		}
		program.Enabled, err = f.decodeBool(e.value, path+".enabled")
		if err != nil {
			return Program{}, err
		}
	}
	return program, nil
}

func (f file) decodeBool(node *yaml.Node, path string) (enabled bool, err error) {
	err = f.setScalar(node, path, func(text string) error {
		if node.Decode(&enabled) != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		return nil
	})
	return enabled, err
}

func unknownProgram(c *Config, name string) error {
	if len(c.Programs) == 0 {
		return errors.New("there are no programs")
	}
	return fmt.Errorf("no program %q (known: %s)", name, knownPrograms(c))
}

func knownPrograms(c *Config) string { return list(slices.Sorted(maps.Keys(c.Programs))) }
