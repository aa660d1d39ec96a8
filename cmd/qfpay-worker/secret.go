package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// maxSecret bounds a file that is said to hold a key or password. Keys are 32
// characters; a megabyte is the wrong file.
const maxSecret = 4096

// readSecret reads a key or password from a file, without the white space around
// it. Errors name the file and never show what is in it.
func readSecret(path string) (qfpay.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", cannotRead(path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", cannotRead(path, err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s is longer than %d bytes: it is not the file of a key", path, maxSecret)
	}
	secret, err := cleanSecret(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// cleanSecret trims a secret and refuses one that cannot be right. A space or a
// byte order mark inside it would only show as respcd 1108, far from here.
func cleanSecret(text string) (qfpay.Secret, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", errors.New("is empty")
	case !printable.MatchString(text):
		return "", errors.New("must be printable ASCII without spaces, on one line")
	}
	return qfpay.Secret(text), nil
}

// cannotRead says why, without repeating the path as os does.
func cannotRead(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}
