package setting

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MaxSecret is the largest file of a key or password. Keys have 32 characters; a larger
// file is the wrong one.
const MaxSecret = 4096

// ReadSmall reads a file that is no longer than a secret. Errors name the file and never show
// its content.
func ReadSmall(path string) (string, error) {
	text, err := ReadFile(path, MaxSecret)
	return string(text), err
}

// ReadFile reads a file that a setting names, of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, CannotReadSetting(path, err)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%s is longer than %d bytes: it is the wrong file", path, limit)
	}
	return text, nil
}

// OpenFile opens a file that a setting names, and nothing else: opening a pipe would wait
// until somebody writes into it.
func OpenFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, CannotReadSetting(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is " + kindOf(info.Mode()) + ", not a file")
	}
	if err != nil {
		f.Close()
		return nil, CannotReadSetting(path, err)
	}
	return f, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a device or a socket"
}

// CannotRead returns an error with the path and the cause. The error of os repeats the path.
func CannotRead(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// CannotReadSetting is CannotRead for a file that a setting names.
func CannotReadSetting(path string, err error) error { return CannotRead(ShownPath(path), err) }

// ShownPath returns a path for a message. A path to nowhere may be the secret itself, set where
// the name of its file belongs. So it is shown only if it is short and absolute, or its directory
// exists.
func ShownPath(path string) string {
	dir := filepath.Dir(path)
	_, err := os.Lstat(path)
	_, dirErr := os.Stat(dir)
	if err == nil || dirErr == nil && dir != "." && dir != "/" || filepath.IsAbs(path) && len(path) <= 12 {
		return path
	}
	return fmt.Sprintf("the file (its name has %d characters and is not shown: it may be the secret itself)", len(path))
}

// Exposed returns a warning if users of the machine other than owner and group can read a file.
func Exposed(path string) (warning string, yes bool) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return "", false
	}
	return fmt.Sprintf("every user of the machine can read %s (mode %04o): chmod o= %[1]s", path, info.Mode().Perm()), true
}
