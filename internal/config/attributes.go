package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// serviceNameKey is the resource attribute that has an option of its own.
const serviceNameKey = "service.name"

// setAttributes takes the form of OTEL_RESOURCE_ATTRIBUTES: name=value,name=value with percent-encoding. They are
// added to those that lower layers have set. A service.name among them is the service's name.
func setAttributes(c *Config, text string) error {
	attributes := cloneAttributes(c)
	name := c.ServiceName
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, err := parseAttribute(pair)
		if err != nil {
			return err
		}
		if key != serviceNameKey {
			attributes[key] = value
		} else if name, err = parseServiceName(value); err != nil {
			return fmt.Errorf("%s: %w", serviceNameKey, err)
		}
	}
	c.ResourceAttributes, c.ServiceName = attributes, name
	return nil
}

func parseAttribute(pair string) (key, value string, err error) {
	key, value, found := strings.Cut(pair, "=")
	if !found {
		return "", "", fmt.Errorf("%q is not name=value", pair)
	}
	for _, part := range []*string{&key, &value} {
		decoded, err := url.PathUnescape(strings.TrimSpace(*part))
		if err != nil {
			return "", "", fmt.Errorf("%q is not percent-encoded (%% itself is %%25)", pair)
		}
		*part = decoded
	}
	return key, value, checkAttribute(key, value)
}

func checkAttribute(key, value string) error {
	switch {
	case key == "":
		return errors.New("an attribute without a name")
	case !utf8.ValidString(key) || !utf8.ValidString(value):
		return fmt.Errorf("%q=%q is not UTF-8", key, value)
	}
	return nil
}

// setAttribute sets one attribute as the file spells it.
func setAttribute(c *Config, key, value string) error {
	if key == serviceNameKey {
		return errors.New("has a key of its own: service_name")
	}
	if err := checkAttribute(key, value); err != nil {
		return err
	}
	attributes := cloneAttributes(c)
	attributes[key] = value
	c.ResourceAttributes = attributes
	return nil
}

func cloneAttributes(c *Config) map[string]string {
	if c.ResourceAttributes == nil {
		return map[string]string{}
	}
	return maps.Clone(c.ResourceAttributes)
}

// formatAttributes is the reverse of setAttributes.
func formatAttributes(c *Config) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(c.ResourceAttributes)) {
		pairs = append(pairs, percentEncode(key)+"="+percentEncode(c.ResourceAttributes[key]))
	}
	return strings.Join(pairs, ",")
}

func percentEncode(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
