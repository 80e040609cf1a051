// Command vminit is the first and only service of a virtual machine that boots another kernel: it mounts what programs
// need, loads modules, runs test binaries, says on the console what became of each test, and powers the machine off.
//
// What it says is for scripts/test-kernels.sh: lines that begin with "vm: " are facts, lines that begin with "vm| " are
// words of the test above them. Anything else on the console is the kernel's. A console without "vm: END" is that of a
// machine that died.
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
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
	fmt.Fprintf(console, "vm: KERNEL %s, %d modules, lockdown: %s\n", release(), modules, lockdown())
	plan, err := readPlan(planPath)
	if err != nil {
		return err
	}
	for _, binary := range plan {
		binary.run(console)
	}
	return nil
}
