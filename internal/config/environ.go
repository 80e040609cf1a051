package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// envPrefix begins the names of kerntap's own variables.
const envPrefix = "KERNTAP_"

// serviceLink matches what a Kubernetes service or a Docker link whose name begins with kerntap puts into the
// environment of every neighbour: they are not meant for kerntap and must not keep it from starting.
var serviceLink = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|` +
	`_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$|_PORT=(tcp|udp|sctp)://`)

// environment is the variables that are set. An empty one counts as not set, as the OpenTelemetry specification has it
// and as compose files leave variables that nobody filled.
type environment map[string]string

func newEnvironment(environ []string) environment {
	e := environment{}
	for _, entry := range environ {
		name, text, found := strings.Cut(entry, "=")
		ours := strings.HasPrefix(name, envPrefix) && !serviceLink.MatchString(name) && !serviceLink.MatchString(entry)
		if found && text != "" && (ours || strings.HasPrefix(name, "OTEL_")) {
			e[name] = text
		}
	}
	return e
}

func (e environment) apply(c *Config) error {
	if err := e.check(); err != nil {
		return err
	}
	for _, option := range options() {
		standard := option.value.set
		if option.otelSet != nil {
			standard = option.otelSet
		}
		if err := e.set(c, option, option.OTelEnv, standard); err != nil {
			return err
		}
		if err := e.set(c, option, option.Env, option.value.set); err != nil {
			return err
		}
	}
	return nil
}

func (e environment) set(c *Config, option Option, name string, set func(*Config, string) error) error {
	text, found := e[name]
	if !found || set == nil {
		return nil
	}
	if err := option.apply(c, set, text); err != nil {
		return fmt.Errorf("environment %s: %w", name, err)
	}
	return nil
}

// check refuses variables of kerntap's own that no option has: most often they are misspelt. Those of OpenTelemetry
// are for others too.
func (e environment) check() error {
	known := names(func(o Option) string { return strings.TrimPrefix(o.Env, envPrefix) })
	spell := func(name string) string { return envPrefix + name }
	for _, variable := range slices.Sorted(maps.Keys(e)) {
		name, ours := strings.CutPrefix(variable, envPrefix)
		if ours && !slices.Contains(known, name) {
			return fmt.Errorf("environment %s: no such variable%s", printable(variable), suggest(name, known, spell))
		}
	}
	return nil
}
