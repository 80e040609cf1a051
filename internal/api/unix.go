package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// socketMode lets the owner and the group ask, and nobody else.
	socketMode = 0o660
	// answerTime is how long a socket's owner has to answer before it is taken for alive but busy.
	answerTime = time.Second
)

// errOccupied says that what is at a socket's path is not a dead process's socket.
var errOccupied = errors.New("path is taken")

func listenUnix(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		listener, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// removeStale removes the socket of a process that has died without doing so itself. It fails with EADDRINUSE if
// somebody answers, and with errOccupied on anything that is not such a socket.
func removeStale(path string) error {
	found, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w by something that is not a socket", errOccupied)
	}
	conn, err := net.DialTimeout("unix", path, answerTime)
	if err == nil {
		return errors.Join(syscall.EADDRINUSE, conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w by a socket that is in use (%w)", errOccupied, cause(err))
	}
	// Another kerntap may have replaced the dead socket while this one asked.
	if now, err := os.Lstat(path); err != nil || !os.SameFile(found, now) {
		return syscall.EADDRINUSE
	}
	return os.Remove(path)
}
