package main

import (
	"fmt"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
)

// The rules for files and secrets are those of every command.
var (
	plainASCII        = setting.PlainASCII
	readFile          = setting.ReadFile
	openFile          = setting.OpenFile
	readSecret        = setting.ReadSecret
	cleanSecret       = setting.CleanSecret
	cannotRead        = setting.CannotRead
	cannotReadSetting = setting.CannotReadSetting
	shownPath         = setting.ShownPath
	exposed           = setting.Exposed
	baseURL           = setting.BaseURL
	loopback          = setting.Loopback
)

// readPassword reads a password of Redis from a file. It may have any characters, so only one
// newline at its end is cut, which editors and echo put there.
func readPassword(path string) (string, error) {
	text, err := setting.ReadSmall(path)
	if err != nil {
		return "", err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s: is empty", path)
	}
	return text, nil
}
