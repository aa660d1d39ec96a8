package setting

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxEnvFile is the largest file of settings, in bytes.
const maxEnvFile = 64 << 10

// EnvFile reads a file of settings, as ParseEnvFile does. Errors name the file.
func EnvFile(path string) (map[string]string, error) {
	text, err := ReadFile(path, maxEnvFile)
	if err != nil {
		return nil, err
	}
	values, err := ParseEnvFile(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	return values, nil
}

// settingName matches the name of a variable.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseEnvFile reads settings, one NAME=VALUE on a line, as in a file for docker's --env-file or
// systemd's EnvironmentFile. Empty lines, and lines that begin with # or ;, are comments. A value
// may stand in single quotes, within which nothing is special, or in double quotes, within which
// \" \\ \$ and \` stand for the character. Nothing is expanded.
//
// What docker and systemd read in two ways is refused: a value that is followed by a comment, a
// line that goes on in the next, a name that is set twice. The error has a line for each wrong
// line, with its number and never with its value.
func ParseEnvFile(text string) (map[string]string, error) {
	values, lines := map[string]string{}, map[string]int{}
	var wrong []error
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		number++
		name, value, err := parseEnvLine(strings.TrimSpace(line))
		if err == nil && name != "" && lines[name] != 0 {
			err = fmt.Errorf("%s is set already, in line %d", name, lines[name])
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if name != "" {
			values[name], lines[name] = value, number
		}
	}
	return values, errors.Join(wrong...)
}

// parseEnvLine reads one line. Of a comment, the name is empty.
func parseEnvLine(line string) (name, value string, err error) {
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", nil
	}
	name, value, found := strings.Cut(line, "=")
	name = strings.TrimRight(name, " \t")
	switch {
	case !utf8.ValidString(line) || strings.ContainsRune(line, 0):
		return "", "", errors.New("is not text in UTF-8")
	case strings.HasPrefix(line, "export "):
		return "", "", errors.New("must be NAME=VALUE, without export")
	case !found || !settingName.MatchString(name):
		return "", "", errors.New("must be NAME=VALUE, with a name of letters, digits and _; a comment begins with #")
	}
	value, err = unquote(strings.TrimLeft(value, " \t"))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return name, value, nil
}

// unquote returns a value without its quotes.
func unquote(text string) (string, error) {
	switch {
	case text == "":
		return "", nil
	case text[0] == '\'':
		value, rest, closed := strings.Cut(text[1:], "'")
		return quotedValue(value, rest, closed)
	case text[0] == '"':
		return doubleQuoted(text[1:])
	case strings.Contains(text, " #") || strings.Contains(text, "\t#"):
		return "", errors.New("is followed by #; write the comment on a line of its own, or the value in quotes")
	case strings.HasSuffix(text, `\`):
		return "", errors.New(`ends with \; a value cannot go on in the next line`)
	}
	return text, nil
}

// doubleQuoted reads what follows a double quote.
func doubleQuoted(text string) (string, error) {
	var value strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return quotedValue(value.String(), text[i+1:], true)
		case c == '\\' && i+1 < len(text) && strings.IndexByte("\"\\$`", text[i+1]) >= 0:
			i++
			value.WriteByte(text[i])
		default:
			value.WriteByte(c)
		}
	}
	return quotedValue("", "", false)
}

func quotedValue(value, rest string, closed bool) (string, error) {
	switch {
	case !closed:
		return "", errors.New("has a quote that is not closed in its line")
	case strings.TrimSpace(rest) != "":
		return "", errors.New("has something behind its closing quote")
	}
	return value, nil
}

// EnvLine returns the line of a file of settings that gives a variable a value. The value is quoted
// only if it must be: docker's --env-file does not remove quotes. It must not hold line ends.
func EnvLine(name, value string) string {
	if plain, err := unquote(value); err == nil && plain == value && strings.TrimSpace(value) == value {
		return name + "=" + value
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
}
