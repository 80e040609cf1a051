package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolve returns the node that an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

// isNull tells whether a node is null, ~ or nothing at all.
func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// kind says in words what a node is.
func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(node) {
			return "nothing"
		}
		return strconv.Quote(node.Value)
	default:
		return "an alias"
	}
}

// join puts a key under a path. A key with a dot or with what does not print is quoted, so that the path stays
// readable and on one line.
func join(path, key string) string {
	if strings.ContainsRune(key, '.') {
		key = strconv.Quote(key)
	} else {
		key = printable(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// at begins a message about the value at path, and is "" for the root.
func at(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}
