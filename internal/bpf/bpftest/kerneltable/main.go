// Command kerneltable keeps the README's table of what kerntap gives on which kernel equal to what a run of
// scripts/test-kernels.sh found: nobody types it.
//
//	kerneltable [-write] README RESULTS...     RESULTS: a file a kernel, as the script leaves them, in the order of columns
//
// Without -write it fails on a difference. Kernels of the table that the run left out are not looked at, and neither is
// the host's if it is of another series than the table's.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kerneltable:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("kerneltable", flag.ContinueOnError)
	write := flags.Bool("write", false, "put the table into the README instead of comparing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return fmt.Errorf("read arguments: want a README and results, have %q", flags.Args())
	}
	readme := flags.Arg(0)
	text, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the table: %w", err)
	}
	var kernels []results
	for _, path := range flags.Args()[1:] {
		r, err := readResults(path)
		if err != nil {
			return err
		}
		kernels = append(kernels, r)
	}
	found := tabulate(kernels)
	if *write {
		text, err := replace(string(text), found.markdown())
		if err != nil {
			return err
		}
		return os.WriteFile(readme, []byte(text), 0o644)
	}
	stated, err := parse(string(text))
	if err != nil {
		return err
	}
	return compare(stated, found, out)
}
