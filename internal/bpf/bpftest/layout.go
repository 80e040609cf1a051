package bpftest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// SameLayout fails the test unless a Go type has the members of a C type: the same names, offsets and sizes.
func SameLayout(t testing.TB, c btf.Type, wire reflect.Type) {
	t.Helper()
	if size, err := btf.Sizeof(c); err != nil || uintptr(size) != wire.Size() {
		t.Errorf("%s has %d bytes, %v has %d (%v)", c.TypeName(), size, wire, wire.Size(), err)
	}
	if want, got := membersOf(c, "", 0), fieldsOf(wire, "", 0); !slices.Equal(got, want) {
		t.Errorf("%v differs from %s:\n%s\nwant\n%s", wire, c.TypeName(), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// place shows where a member lies, under a name without what C and Go spell differently.
func place(path string, offset, size uintptr) string {
	return fmt.Sprintf("%s at %d, %d bytes", strings.ReplaceAll(strings.ToLower(path), "_", ""), offset, size)
}

func membersOf(c btf.Type, path string, offset uintptr) []string {
	composite, ok := btf.UnderlyingType(c).(*btf.Struct)
	if !ok {
		size, _ := btf.Sizeof(c)
		return []string{place(path, offset, uintptr(size))}
	}
	var all []string
	for _, member := range composite.Members {
		all = append(all, membersOf(member.Type, path+"."+member.Name, offset+uintptr(member.Offset.Bytes()))...)
	}
	return all
}

func fieldsOf(wire reflect.Type, path string, offset uintptr) []string {
	if wire.Kind() != reflect.Struct {
		return []string{place(path, offset, wire.Size())}
	}
	var all []string
	for field := range wire.Fields() {
		name := field.Name
		if name == "_" {
			name = "pad"
		}
		if field.Type.Size() > 0 {
			all = append(all, fieldsOf(field.Type, path+"."+name, offset+field.Offset)...)
		}
	}
	return all
}
