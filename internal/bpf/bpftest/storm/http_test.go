package storm

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pinProcess keeps this process, with all its threads, on the CPU with this number.
func pinProcess(number string) error {
	cpu, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	var cpus unix.CPUSet
	cpus.Set(cpu)
	pinned := make(map[string]bool)
	for before := -1; before != len(pinned); { // a thread that is not pinned yet may have started another
		before = len(pinned)
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &cpus); err != nil {
				return fmt.Errorf("stay on CPU %d: %w", cpu, err)
			}
			pinned[thread.Name()] = true
		}
	}
	return nil
}

// answer answers requests over HTTP at the port in its second argument.
func answer(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := pinProcess(args[0]); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[1]))
	if err != nil {
		return err
	}
	endWith(stdin)
	fmt.Fprintln(stdout, "ready")
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "an answer\n")
	}))
}

// ask sends one request over HTTP after the other to the port in its second argument, each on a connection of its own.
func ask(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := pinProcess(args[0]); err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://" + net.JoinHostPort("127.0.0.1", args[1])
	return work(stdin, stdout, func(until time.Time) (n uint64, _ error) {
		for ; time.Now().Before(until); n++ {
			if err := request(&client, url); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// request reads the whole answer: a connection whose answer is left unread is reset.
func request(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
