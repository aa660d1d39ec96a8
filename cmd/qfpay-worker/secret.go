package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// printable matches an app_code, an mchid or a key.
var printable = regexp.MustCompile(`^[!-~]+$`)

// maxSecret is the largest file of a key or password. Keys have 32 characters; a larger
// file is the wrong one.
const maxSecret = 4096

// readSecret reads a key or password from a file, without the white space around it. Errors
// name the file and never show its content.
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
		return "", fmt.Errorf("%s is longer than %d bytes: it does not look like a key file", path, maxSecret)
	}
	secret, err := cleanSecret(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// cleanSecret trims a secret and refuses one that must be wrong. Otherwise, a space or a
// byte order mark inside it would show only much later, as respcd 1108.
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

// cannotRead returns an error with the path and the cause. The error of os repeats the path.
func cannotRead(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}
