package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// readSecret reads a key or token from a file, without the white space around it. Errors
// name the file and never show its content.
func readSecret(path string) (qfpay.Secret, error) {
	text, err := readSmall(path)
	if err != nil {
		return "", err
	}
	secret, err := cleanSecret(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// readPassword reads a password of Redis from a file. It may have any characters, so only one
// newline at its end is cut, which editors and echo put there.
func readPassword(path string) (string, error) {
	text, err := readSmall(path)
	if err != nil {
		return "", err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s: is empty", path)
	}
	return text, nil
}

// cleanSecret trims a secret and refuses one that must be wrong. Otherwise, a space or a
// byte order mark inside it would show only much later, as respcd 1108.
func cleanSecret(text string) (qfpay.Secret, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", errors.New("is empty")
	case !plainASCII.MatchString(text):
		return "", errors.New("must be printable ASCII without spaces, on one line")
	}
	return qfpay.Secret(text), nil
}
