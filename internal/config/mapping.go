package config

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is one key of a mapping with its value.
type entry struct {
	key, value *yaml.Node
}

// entries returns the entries of a mapping that stands at path ("" for the root). Anything but a mapping of distinct
// plain keys is refused.
func (f file) entries(node *yaml.Node, path string) ([]entry, error) {
	if node.Kind != yaml.MappingNode {
		return nil, f.errorAt(node, "%sexpected keys and values, found %s", at(path), kind(node))
	}
	lines := map[string]int{}
	var all []entry
	for key, value := range pairs(node) {
		if key.Kind != yaml.ScalarNode {
			return nil, f.errorAt(key, "%sexpected a key, found %s", at(path), kind(key))
		}
		if key.Tag == "!!merge" {
			return nil, f.errorAt(key, "%smerge keys are not supported", at(path))
		}
		if first, taken := lines[key.Value]; taken {
			return nil, f.errorAt(key, "duplicate key %s (first on line %d)", quote(join(path, key.Value)), first)
		}
		lines[key.Value] = key.Line
		all = append(all, entry{key, resolve(value)})
	}
	return all, nil
}

func pairs(mapping *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		for pair := range slices.Chunk(mapping.Content, 2) {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}

// apply sets every option that the file's root sets.
func (f file) apply(c *Config, root *yaml.Node) error {
	byKey := map[string]Option{}
	for _, option := range options() {
		if option.Key != "" {
			byKey[option.Key] = option
		}
	}
	return f.applyMapping(c, root, "", byKey)
}

func (f file) applyMapping(c *Config, node *yaml.Node, path string, byKey map[string]Option) error {
	all, err := f.entries(node, path)
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := f.applyEntry(c, e, path, byKey); err != nil {
			return err
		}
	}
	return nil
}

func (f file) applyEntry(c *Config, e entry, parent string, byKey map[string]Option) error {
	path := join(parent, e.key.Value)
	option, known := byKey[path]
	group := slices.ContainsFunc(slices.Collect(maps.Keys(byKey)), func(key string) bool {
		return strings.HasPrefix(key, path+".")
	})
	switch {
	case !known && !group:
		return f.unknownKey(e.key, parent, below(parent, byKey))
	case isNull(e.value):
		// A key without a value sets nothing.
		return nil
	case path == programsKey:
		return f.applyPrograms(c, e.value)
	case group:
		return f.applyMapping(c, e.value, path, byKey)
	case option.setEntry != nil:
		return f.applyAttributes(c, e.value, option)
	case option.list && e.value.Kind == yaml.SequenceNode:
		return f.applyList(c, e.value, option)
	}
	return f.setScalar(e.value, path, func(text string) error { return option.value.set(c, text) })
}

func (f file) applyAttributes(c *Config, node *yaml.Node, option Option) error {
	all, err := f.entries(node, option.Key)
	if err != nil {
		return err
	}
	for _, e := range all {
		set := func(text string) error { return option.setEntry(c, e.key.Value, text) }
		if err := f.setScalar(e.value, join(option.Key, e.key.Value), set); err != nil {
			return err
		}
	}
	return nil
}

// applyList sets an option to the values of a list.
func (f file) applyList(c *Config, node *yaml.Node, option Option) error {
	var values []string
	for _, item := range node.Content {
		item = resolve(item)
		if err := f.setScalar(item, option.Key, func(text string) error {
			scratch := *c
			values = append(values, text)
			return option.value.set(&scratch, text)
		}); err != nil {
			return err
		}
	}
	if err := option.value.set(c, strings.Join(values, ",")); err != nil {
		return f.errorAt(node, "%s%w", at(option.Key), err)
	}
	return nil
}

func (f file) setScalar(node *yaml.Node, path string, set func(text string) error) error {
	if node.Kind != yaml.ScalarNode {
		return f.errorAt(node, "%sexpected one value, found %s", at(path), kind(node))
	}
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		return f.errorAt(node, "%s%s is a tag of YAML: put quotes around what begins with !", at(path), quote(node.Tag))
	}
	if err := set(node.Value); err != nil {
		return f.errorAt(node, "%s%w", at(path), err)
	}
	return nil
}

// unknownKey refuses a key that stands under parent, where only the known ones may.
func (f file) unknownKey(key *yaml.Node, parent string, known []string) error {
	spell := func(name string) string { return quote(join(parent, name)) }
	return f.errorAt(key, "unknown key %s%s", spell(key.Value), suggest(key.Value, known, spell))
}

// below returns the keys that may stand under parent, sorted.
func below(parent string, byKey map[string]Option) []string {
	found := map[string]struct{}{}
	for key := range byKey {
		rest, inside := strings.CutPrefix(key, parent+".")
		if parent == "" {
			rest, inside = key, true
		}
		if name, _, _ := strings.Cut(rest, "."); inside {
			found[name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
