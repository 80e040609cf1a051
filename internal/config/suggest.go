package config

import (
	"fmt"
	"strconv"
	"strings"
)

// suggest returns what to add to the refusal of a name: the nearest known one in parentheses, or all of them if none
// is near. spell turns a name into what the message is to show.
func suggest(name string, known []string, spell func(name string) string) string {
	// Two letters that changed places are a distance of two.
	nearest, most := "", min(max(2, len(name)/3), len(name)-1)
	for _, candidate := range known {
		if d := distance(name, candidate); d <= most {
			nearest, most = candidate, d-1
		}
	}
	switch {
	case nearest != "":
		return fmt.Sprintf(" (did you mean %s?)", spell(nearest))
	case len(known) == 0:
		return ""
	}
	spelt := make([]string, len(known))
	for i, candidate := range known {
		spelt[i] = spell(candidate)
	}
	return fmt.Sprintf(" (known: %s)", list(spelt))
}

// distance counts the bytes to insert, delete or replace to make one text of another (Levenshtein's distance).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// quote quotes the path of a key, unless a part of it had to be quoted already.
func quote(path string) string {
	if strings.ContainsRune(path, '"') {
		return path
	}
	return strconv.Quote(path)
}

// printable quotes a name that would not stand on one line as it is.
func printable(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
