package config

import (
	"fmt"
	"maps"
	"slices"
)

// Source is where a configuration comes from.
type Source struct {
	// Known are the names of the programs that exist.
	Known []string
	// File is the path of the YAML file, "" for none. The flag config and the environment's KERNTAP_CONFIG stand for
	// it where it is empty.
	File string
	// Environ is the environment in the form of os.Environ.
	Environ []string
	// Flags are the values of the flags that were set explicitly, by the names of Options.
	Flags map[string]string
}

// Load returns the configuration that a source makes of the defaults. What it returns is valid; the error is one line
// that names the first thing that is wrong and where it stands.
func Load(source Source) (Config, error) {
	c := Default(source.Known...)
	environment := newEnvironment(source.Environ)
	if err := source.checkFlags(); err != nil {
		return Config{}, err
	}
	if path, place := source.file(environment); path != "" {
		if err := loadFile(&c, path, place); err != nil {
			return Config{}, err
		}
	}
	if err := environment.apply(&c); err != nil {
		return Config{}, err
	}
	if err := source.applyFlags(&c); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// HasFile tells whether the configuration comes from a file, too.
func (s Source) HasFile() bool {
	path, _ := s.file(newEnvironment(s.Environ))
	return path != ""
}

// file returns the path of the YAML file and where that path stands.
func (s Source) file(environment environment) (path, place string) {
	if s.File != "" {
		return s.File, "--config"
	}
	if path := s.Flags["config"]; path != "" {
		return path, "--config"
	}
	return environment["KERNTAP_CONFIG"], "environment KERNTAP_CONFIG"
}

// checkFlags refuses flags that no option has.
func (s Source) checkFlags() error {
	known := names(func(o Option) string { return o.Flag })
	spell := func(name string) string { return "--" + name }
	for _, name := range slices.Sorted(maps.Keys(s.Flags)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%s: no such flag%s", spell(name), suggest(name, known, spell))
		}
	}
	return nil
}

func (s Source) applyFlags(c *Config) error {
	for _, option := range options() {
		text, set := s.Flags[option.Flag]
		if !set || option.value.set == nil {
			continue
		}
		if err := option.apply(c, option.value.set, text); err != nil {
			return fmt.Errorf("--%s: %w", option.Flag, err)
		}
	}
	return nil
}

// names returns one way to set the options, of those that have it.
func names(of func(Option) string) []string {
	var all []string
	for _, option := range options() {
		if name := of(option); name != "" {
			all = append(all, name)
		}
	}
	return all
}
