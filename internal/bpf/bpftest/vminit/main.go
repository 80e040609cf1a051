// Command vminit is the first and only service of a virtual machine that boots another kernel: it mounts what programs
// need, loads modules, has kerntap say what the kernel allows, runs test binaries, says on the console what became of
// each test, and powers the machine off. With an argument, the root folder of such a machine, it does no more than ask
// kerntap and run the tests, on the machine that it is started on.
//
// What it says is for scripts/test-kernels.sh: lines that begin with "vm: " are facts, lines that begin with "vm| " are
// words of the test above them. Anything else on the console is the kernel's. A console without "vm: END" is that of a
// machine that died.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 {
		if err := runTests(os.Stdout, os.Args[1]); err != nil {
			fmt.Printf("vm: FAIL vminit %v\n", err)
		}
		fmt.Println("vm: END")
		return
	}
	console, err := open()
	if err == nil {
		err = run(console)
	}
	if err != nil {
		fmt.Fprintf(console, "vm: FAIL vminit %v\n", err)
	}
	fmt.Fprintln(console, "vm: END")
	unix.Sync()
	// Without power management the call returns, and the kernel panics because its first process ends: so be it.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// open mounts devices and opens the console: what a first process is born with may be closed.
func open() (io.Writer, error) {
	err := mount(devices)
	console, openErr := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if openErr != nil {
		return os.Stdout, openErr
	}
	return console, err
}

func run(console io.Writer) error {
	for _, m := range mounts {
		if err := mount(m); err != nil {
			return err
		}
	}
	modules, err := loadModules(modulesDir)
	if err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	fmt.Fprintln(console) // firmware leaves an unfinished line
	fmt.Fprintf(console, "vm: MODULES %d\n", modules)
	return runTests(console, "/")
}

// runTests asks kerntap and runs the tests below a root folder.
func runTests(console io.Writer, root string) error {
	fmt.Fprintf(console, "vm: KERNEL %s, lockdown: %s\n", release(), lockdown())
	if err := check(console, filepath.Join(root, "bin/kerntap")); err != nil {
		fmt.Fprintf(console, "vm: FAIL kerntap %v\n", err)
	}
	plan, err := readPlan(filepath.Join(root, "tests/plan"))
	if err != nil {
		return err
	}
	for _, binary := range plan {
		binary.run(console)
	}
	return nil
}

// check has kerntap say in one line what this kernel allows. That nothing can run is an answer too.
func check(console io.Writer, kerntap string) error {
	report, failure := exec.Command(kerntap, "check", "--json").Output()
	var line bytes.Buffer
	if err := json.Compact(&line, report); err != nil || line.Len() == 0 {
		return fmt.Errorf("have kerntap check report: %w", errors.Join(failure, err))
	}
	fmt.Fprintf(console, "vm: CHECK %s\n", line.Bytes())
	return nil
}
