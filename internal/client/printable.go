package client

import (
	"strings"
	"unicode"
)

// Printable returns text that a terminal shows and does not obey: processes choose their names.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
