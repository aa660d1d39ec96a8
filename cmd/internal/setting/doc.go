// Package setting reads settings that several commands have: files with secrets, the address of
// the gateway, and files with settings. Its errors never show a secret.
package setting
