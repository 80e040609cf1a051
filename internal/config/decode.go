package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decodeStruct sets the fields of the struct that into points to from entries that stand at path.
func (f file) decodeStruct(all []entry, path string, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode %s into %T: not a pointer to a struct", path, into)
	}
	return f.decodeFields(all, path, target.Elem())
}

func (f file) decodeFields(all []entry, path string, target reflect.Value) error {
	fields := fieldsOf(target.Type())
	for _, e := range all {
		index := slices.Index(fields, e.key.Value)
		full := join(path, e.key.Value)
		if e.key.Value == "" || index < 0 {
			known := slices.DeleteFunc(fields, func(name string) bool { return name == "" })
			return f.unknownKey(e.key, path, known)
		}
		if err := f.decodeValue(e.value, full, target.Field(index)); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf returns the key of every field, "" for those that have none.
func fieldsOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		field := t.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported() || tag == "-":
		case tag != "":
			keys[i] = tag
		default:
			keys[i] = strings.ToLower(field.Name)
		}
	}
	return keys
}

// decodeValue sets one value: structs and lists part by part, so that an error names the part, all others whole.
func (f file) decodeValue(node *yaml.Node, path string, target reflect.Value) error {
	node = resolve(node)
	switch {
	case isNull(node):
		return nil
	case decodesItself(target):
		return f.decodeWhole(node, path, target)
	case target.Kind() == reflect.Struct:
		all, err := f.entries(node, path)
		if err != nil {
			return err
		}
		return f.decodeFields(all, path, target)
	case target.Kind() == reflect.Slice:
		return f.decodeList(node, path, target)
	default:
		return f.decodeWhole(node, path, target)
	}
}

func (f file) decodeList(node *yaml.Node, path string, target reflect.Value) error {
	if node.Kind != yaml.SequenceNode {
		return f.errorAt(node, "%sexpected a list, found %s", at(path), kind(node))
	}
	elements := reflect.MakeSlice(target.Type(), len(node.Content), len(node.Content))
	for i, element := range node.Content {
		if err := f.decodeValue(element, fmt.Sprintf("%s[%d]", path, i), elements.Index(i)); err != nil {
			return err
		}
	}
	target.Set(elements)
	return nil
}

func (f file) decodeWhole(node *yaml.Node, path string, target reflect.Value) error {
	wrong := f.errorAt(node, "%s%s is not %s", at(path), kind(node), wanted(target.Type()))
	isDuration := target.Type() == reflect.TypeFor[time.Duration]()
	isWhole := target.CanInt() || target.CanUint()
	if isDuration && node.Tag == "!!int" || isWhole && node.Tag == "!!float" {
		// The YAML package takes a bare number as nanoseconds and cuts off fractions, which nobody means.
		return wrong
	}
	err := node.Decode(target.Addr().Interface())
	if err == nil {
		return nil
	}
	if mismatch := new(yaml.TypeError); errors.As(err, &mismatch) {
		if target.Kind() != reflect.Map || node.Kind != yaml.MappingNode {
			return wrong
		}
		err = errors.New(mismatch.Errors[0])
	}
	text := yamlLine.ReplaceAllString(oneLine(err.Error()), "")
	return f.errorAt(node, "%s%s", at(path), strings.TrimPrefix(text, "yaml: "))
}

// decodesItself tells whether a type has a form of its own, as netip.Prefix has.
func decodesItself(target reflect.Value) bool {
	switch target.Addr().Interface().(type) {
	case yaml.Unmarshaler, encoding.TextUnmarshaler:
		return true
	default:
		return false
	}
}

// wanted says in words what a type takes.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration (example: 10s)"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Map:
		return "keys and values"
	case reflect.Zero(t).CanInt():
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Zero(t).CanUint():
		return fmt.Sprintf("a whole number from 0 to %d", ^uint64(0)>>(64-t.Bits()))
	case reflect.Zero(t).CanFloat():
		return "a number"
	default:
		return "a value of type " + t.String()
	}
}
