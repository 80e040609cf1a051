package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest file that is read, in bytes; a configuration takes a few hundred.
const maxFile = 1 << 20

// loadFile sets what the YAML file at path sets. place says where the path itself stands.
func loadFile(c *Config, path, place string) error {
	data, err := readFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	f := file{path: path}
	root, err := f.parse(data)
	if err != nil || root == nil {
		return err
	}
	return f.apply(c, root)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("%s is empty (leave it out to run on the defaults)", path)
	}
	return data, nil
}

// file is a YAML file, which errors name.
type file struct{ path string }

// parse returns the root of the only document, and nil if the file holds nothing but comments.
func (f file) parse(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, f.syntaxError(data, err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, f.errorAt(&second, "a second document: everything goes into one")
	} else if !errors.Is(err, io.EOF) {
		return nil, f.syntaxError(data, err)
	}
	if len(document.Content) == 0 || isNull(document.Content[0]) {
		return nil, nil
	}
	return document.Content[0], nil
}

// yamlLine is where the YAML package says which line a syntax error is on.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

func (f file) syntaxError(data []byte, err error) error {
	if line := tabbedLine(data); line > 0 {
		return fmt.Errorf("%s:%d: a tab indents this line (use spaces)", f.path, line)
	}
	text := oneLine(err.Error())
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		return fmt.Errorf("%s:%s: %s", f.path, match[1], strings.TrimPrefix(text, match[0]))
	}
	return fmt.Errorf("%s: %s", f.path, strings.TrimPrefix(text, "yaml: "))
}

// tabbedLine returns the number of the first line that a tab indents, and 0 if there is none. The YAML package names
// another line, and does not name the tab.
func tabbedLine(data []byte) int {
	for i, line := range bytes.Split(data, []byte{'\n'}) {
		text := bytes.TrimLeft(line, " \t")
		if len(text) > 0 && bytes.ContainsRune(line[:len(line)-len(text)], '\t') {
			return i + 1
		}
	}
	return 0
}

// errorAt returns an error that names the file and a node's line.
func (f file) errorAt(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", f.path, node.Line, fmt.Errorf(format, args...))
}

// oneLine keeps an error of another package from taking more than one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
