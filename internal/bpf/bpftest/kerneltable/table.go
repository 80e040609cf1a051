package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The table stands between these lines of the README.
const (
	begin = "<!-- written by make test-kernels TABLE=write -->"
	end   = "<!-- end -->"
)

var errDrift = errors.New("the README's table is not what this run found; make test-kernels TABLE=write writes it")

// table holds what each kernel gives: cells by kernel and feature.
type table struct {
	kernels, features []string // in order
	cells             map[string]map[string]string
}

func (t *table) set(kernel, feature, cell string) {
	if t.cells == nil {
		t.cells = make(map[string]map[string]string)
	}
	if t.cells[kernel] == nil {
		t.cells[kernel] = make(map[string]string)
		t.kernels = append(t.kernels, kernel)
	}
	if !slices.Contains(t.features, feature) {
		t.features = append(t.features, feature)
	}
	t.cells[kernel][feature] = cell
}

func (t table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(t.kernels, " | "), strings.Repeat("---|", len(t.kernels)))
	for _, feature := range t.features {
		fmt.Fprintf(&b, "| %s |", feature)
		for _, kernel := range t.kernels {
			fmt.Fprintf(&b, " %s |", t.cells[kernel][feature])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// between returns where in the README the table begins and ends.
func between(readme string) (int, int, error) {
	first, last := strings.Index(readme, begin+"\n"), strings.Index(readme, end+"\n")
	if first < 0 || last < first {
		return 0, 0, fmt.Errorf("find the table: no lines %q and %q", begin, end)
	}
	return first + len(begin) + 1, last, nil
}

func replace(readme, markdown string) (string, error) {
	first, last, err := between(readme)
	if err != nil {
		return "", err
	}
	return readme[:first] + "\n" + markdown + "\n" + readme[last:], nil
}

// parse reads the table that the README holds.
func parse(readme string) (table, error) {
	first, last, err := between(readme)
	if err != nil {
		return table{}, err
	}
	var t table
	var kernels []string
	for line := range strings.Lines(readme[first:last]) {
		words := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, word := range words {
			words[i] = strings.TrimSpace(word)
		}
		switch {
		case len(words) < 2 || strings.HasPrefix(words[0], "---"):
		case kernels == nil:
			kernels = words[1:]
		case len(words) != len(kernels)+1:
			return table{}, fmt.Errorf("read the table: %d cells of %q, want %d", len(words)-1, words[0], len(kernels))
		default:
			for i, kernel := range kernels {
				t.set(kernel, words[0], words[i+1])
			}
		}
	}
	if len(t.kernels) == 0 {
		return table{}, errors.New("read the table: it has no kernel; make test-kernels TABLE=write writes it")
	}
	return t, nil
}

// compare says where the found kernels' cells are not the stated ones.
func compare(stated, found table, out io.Writer) error {
	var err error
	for _, kernel := range found.kernels {
		if _, known := stated.cells[kernel]; !known && strings.HasSuffix(kernel, hostMark) {
			fmt.Fprintf(out, "kerneltable: the README's table is of another host than %s, which is not compared\n", kernel)
			continue
		}
		for _, feature := range union(stated.features, found.features) {
			was, is := stated.cells[kernel][feature], found.cells[kernel][feature]
			if was != is {
				fmt.Fprintf(out, "kerneltable: %s on %s: %q in the README, %q found\n", feature, kernel, was, is)
				err = errDrift
			}
		}
	}
	return err
}

func union(one, other []string) []string {
	all := slices.Clone(one)
	for _, word := range other {
		if !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}
