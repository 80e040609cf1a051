package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// telemetryNames are the tables of what leaves kerntap, read from where they are declared. The comment over a group of
// constants says what they are.
func telemetryNames(out *bytes.Buffer) error {
	file, err := parser.ParseFile(token.NewFileSet(), namesFile, nil, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("read the names: %w", err)
	}
	groups := make(map[string][]*ast.ValueSpec)
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok {
			continue
		}
		kind, _, _ := strings.Cut(group.Doc.Text(), " ")
		for _, spec := range group.Specs {
			groups[kind] = append(groups[kind], spec.(*ast.ValueSpec))
		}
	}
	return firstError(records(out, groups["Event"]), attributes(out, groups["Attribute"]), metrics(out, groups["Metrics"]))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func records(out *bytes.Buffer, specs []*ast.ValueSpec) error {
	fmt.Fprintf(out, "\n## Log records\n\n| event name | when |\n|---|---|\n")
	for _, spec := range specs {
		name, err := literal(spec.Values[0])
		if err != nil {
			return err
		}
		if recordMeanings[name] == "" {
			return fmt.Errorf("nobody says what the record %s means: meanings.go", name)
		}
		fmt.Fprintf(out, "| `%s` | %s |\n", name, cell(recordMeanings[name]))
	}
	return nil
}

func attributes(out *bytes.Buffer, specs []*ast.ValueSpec) error {
	fmt.Fprintf(out, "\n## Attributes\n\nOf records and metrics; those that do not begin with `kerntap.` are of OpenTelemetry's semantic conventions.\n\n"+
		"| attribute | meaning |\n|---|---|\n")
	for _, spec := range specs {
		key, err := literal(spec.Values[0])
		if err != nil {
			return err
		}
		if attributeMeanings[key] == "" {
			return fmt.Errorf("nobody says what the attribute %s means: meanings.go", key)
		}
		fmt.Fprintf(out, "| `%s` | %s |\n", key, cell(attributeMeanings[key]))
	}
	return nil
}

func metrics(out *bytes.Buffer, specs []*ast.ValueSpec) error {
	fmt.Fprintf(out, "\n## Metrics\n\n| metric | in Prometheus | kind, unit | |\n|---|---|---|---|\n")
	for _, spec := range specs {
		composite, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok || len(composite.Elts) != 4 {
			return fmt.Errorf("%s is no metric", spec.Names[0])
		}
		var texts [3]string
		for i := range texts {
			var err error
			if texts[i], err = literal(composite.Elts[i]); err != nil {
				return err
			}
		}
		kind := fmt.Sprint(composite.Elts[3])
		fmt.Fprintf(out, "| `%s` | `%s` | %s, %s | %s |\n", texts[0], prometheusName(texts[0], texts[1], kind),
			strings.ToLower(kind), texts[1], cell(texts[2]))
	}
	return nil
}

// prometheusName is what OpenTelemetry's rules make of a metric's name in Prometheus.
func prometheusName(name, unit, kind string) string {
	name = strings.ReplaceAll(name, ".", "_")
	switch unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if kind == "Counter" {
		name += "_total"
	}
	return name
}

// literal is a text as it stands in the source, in one piece or joined by plus signs.
func literal(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.BinaryExpr:
		left, err := literal(e.X)
		if err != nil {
			return "", err
		}
		right, err := literal(e.Y)
		return left + right, err
	}
	return "", fmt.Errorf("%v is no text", e)
}
