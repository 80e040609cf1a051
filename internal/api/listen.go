package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The flags that name an address, for errors that say what to change.
const (
	listenFlag      = "--listen"
	probeListenFlag = "--probe-listen"
)

var (
	errNoPort       = errors.New("no port")
	errRelativePath = errors.New("path is not absolute")
	errLongPath     = errors.New("path is longer than 107 bytes")
)

// maxSocketPath is the longest path of a socket: the kernel's sun_path is 108 bytes with the closing zero.
const maxSocketPath = 107

// Listen opens the address of the API: host:port, or unix:///path for a socket of mode 0660 that is removed when the
// listener closes. A socket at that path on which nobody answers is replaced; anything else there is left alone and
// refused. Errors are one line that says what, where and what would be right.
func Listen(address string) (net.Listener, error) { return listen(address, listenFlag) }

// ListenProbe does what Listen does for the address of the probes.
func ListenProbe(address string) (net.Listener, error) { return listen(address, probeListenFlag) }

func listen(address, flag string) (net.Listener, error) {
	network, target, err := splitAddress(address)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w: give %s host:port, such as 127.0.0.1:4319, or unix:///path",
			address, err, flag)
	}
	var listener net.Listener
	if network == "unix" {
		listener, err = listenUnix(target)
	} else {
		listener, err = listenTCP(target)
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w: %s with %s", address, cause(err), advice(network, target, err), flag)
	}
	return listener, nil
}

// listenTCP listens with plain TCP: the socket of an MPTCP listener hides the TCP socket whose traffic is kerntap's own.
func listenTCP(address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", address)
}

// splitAddress returns what net.Listen and net.Dial call network and address.
func splitAddress(address string) (network, target string, err error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		switch {
		case !filepath.IsAbs(path):
			return "", "", errRelativePath
		case len(path) > maxSocketPath:
			return "", "", errLongPath
		}
		return "unix", path, nil
	}
	_, port, err := net.SplitHostPort(address)
	if addrErr, ok := errors.AsType[*net.AddrError](err); ok {
		return "", "", errors.New(addrErr.Err)
	}
	if err != nil {
		return "", "", err
	}
	if port == "" {
		return "", "", errNoPort
	}
	return "tcp", address, nil
}

// cause strips an error of the layers of packages net and os, which repeat the address and the system call. Errors
// that say more than those are left as they are.
func cause(err error) error {
	if op, ok := err.(*net.OpError); ok {
		err = op.Err
	}
	if call, ok := err.(*os.SyscallError); ok {
		err = call.Err
	}
	return err
}

// advice says what is in the way and begins the sentence that says what to do about it.
func advice(network, target string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program (perhaps another kerntap) has it; choose another"
	case errors.Is(err, errOccupied):
		return "it was left alone; remove it or choose another path"
	case network == "unix":
		return socketAdvice(filepath.Dir(target), err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface here has that address; choose another"
	case errors.Is(err, syscall.EACCES):
		return "low ports need CAP_NET_BIND_SERVICE; choose a port from 1024 on"
	default:
		return "choose an address of this machine"
	}
}

func socketAdvice(dir string, err error) string {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("directory %s does not exist; create it or choose another", dir)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("this user may not write to directory %s; change its owner or choose another", dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("directory %s is on a read-only file system; mount a volume there or choose another", dir)
	default:
		return "choose another path"
	}
}
