package setting

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// PlainASCII matches an app_code, an mchid or a key.
var PlainASCII = regexp.MustCompile(`^[!-~]+$`)

// ReadSecret reads a key or token from a file, without the white space around it. Errors
// name the file and never show its content.
func ReadSecret(path string) (qfpay.Secret, error) {
	text, err := ReadSmall(path)
	if err != nil {
		return "", err
	}
	secret, err := CleanSecret(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// CleanSecret trims a secret and refuses one that must be wrong. Otherwise, a space or a
// byte order mark inside it would show only much later, as respcd 1108.
func CleanSecret(text string) (qfpay.Secret, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", errors.New("is empty")
	case !PlainASCII.MatchString(text):
		return "", errors.New("must be printable ASCII without spaces, on one line")
	}
	return qfpay.Secret(text), nil
}
