package telemetry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// names are what names.go declares, read from its source so that a new name cannot be forgotten here.
type names struct {
	keys, values, events map[string]string // by Go name
	metrics              map[string]Metric
}

// readNames reads names.go. The comment over a group of constants says what they are.
func readNames(t *testing.T) names {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := names{make(map[string]string), make(map[string]string), make(map[string]string), make(map[string]Metric)}
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok {
			t.Fatalf("names.go holds more than names: %T", declared)
		}
		kind, _, _ := strings.Cut(group.Doc.Text(), " ")
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			name := value.Names[0].Name
			switch kind {
			case "Attribute":
				found.keys[name] = literal(t, value.Values[0])
			case "Values":
				found.values[name] = literal(t, value.Values[0])
			case "Event":
				found.events[name] = literal(t, value.Values[0])
			case "Metrics":
				found.metrics[name] = metric(t, value.Values[0])
			default:
				t.Fatalf("%s stands in a group that this test does not know: %q", name, group.Doc.Text())
			}
		}
	}
	return found
}

func literal(t *testing.T, expression ast.Expr) string {
	t.Helper()
	basic, ok := expression.(*ast.BasicLit)
	if !ok {
		t.Fatalf("%#v is no literal", expression)
	}
	text, err := strconv.Unquote(basic.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func metric(t *testing.T, expression ast.Expr) Metric {
	t.Helper()
	composite, ok := expression.(*ast.CompositeLit)
	if !ok || len(composite.Elts) != 4 {
		t.Fatalf("%#v is no metric", expression)
	}
	return Metric{Name: literal(t, composite.Elts[0]), Unit: literal(t, composite.Elts[1]),
		Description: literal(t, composite.Elts[2])}
}

// dotted is the form of names in the semantic conventions: namespaces in lower case, joined by dots.
var dotted = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)+$`)

func TestTheTableOfNamesIsReadWhole(t *testing.T) {
	found := readNames(t)
	if found.keys["Command"] != Command || found.values["TCP"] != TCP || found.events["EventTCPOpened"] != EventTCPOpened {
		t.Errorf("keys %v\nvalues %v\nevents %v", found.keys, found.values, found.events)
	}
	if found.metrics["PacketDrops"].Name != PacketDrops.Name || found.metrics["PacketDrops"].Unit != PacketDrops.Unit {
		t.Errorf("metrics %v", found.metrics)
	}
}

func TestEveryNameIsThereOnce(t *testing.T) {
	found := readNames(t)
	seen := make(map[string]string)
	once := func(name, text string) {
		if other, taken := seen[text]; taken {
			t.Errorf("%s and %s are both %q", name, other, text)
		}
		seen[text] = name
	}
	for _, group := range []map[string]string{found.keys, found.values, found.events} {
		for name, text := range group {
			once(name, text)
		}
	}
	for name, metric := range found.metrics {
		once(name, metric.Name)
	}
}

func TestEveryNameIsWellFormed(t *testing.T) {
	found := readNames(t)
	for name, key := range found.keys {
		if !dotted.MatchString(key) {
			t.Errorf("%s: %q is no attribute key", name, key)
		}
		for other, longer := range found.keys {
			if strings.HasPrefix(longer, key+".") {
				t.Errorf("%s is the namespace of %s: an attribute cannot be both", name, other)
			}
		}
	}
	for name, event := range found.events {
		if !dotted.MatchString(event) || !strings.HasPrefix(event, "kerntap.") || !strings.HasPrefix(name, "Event") {
			t.Errorf("%s: %q is no event name of ours", name, event)
		}
	}
	for name, value := range found.values {
		if strings.ContainsAny(value, ". ") || value != strings.ToLower(value) || value == "" {
			t.Errorf("%s: %q is no value of an attribute", name, value)
		}
	}
}

func TestEveryMetricIsWellFormed(t *testing.T) {
	unit := regexp.MustCompile(`^(s|By|1|\{[a-z]+\})$`)
	for name, metric := range readNames(t).metrics {
		if !dotted.MatchString(metric.Name) || !strings.HasPrefix(metric.Name, "kerntap.") {
			t.Errorf("%s: %q is no metric name of ours", name, metric.Name)
		}
		if !unit.MatchString(metric.Unit) {
			t.Errorf("%s: %q is no unit that a backend reads", name, metric.Unit)
		}
		if metric.Description == "" || !strings.HasSuffix(metric.Description, ".") {
			t.Errorf("%s: %q is no sentence", name, metric.Description)
		}
	}
}
