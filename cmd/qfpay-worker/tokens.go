package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/api"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// tokens are the callers of the API, and the file that they come from.
type tokens struct {
	*api.Callers
	config APIConfig
	read   digest // of the file when it was last read
}

// tokens reads who may use the API, from exactly one of two files.
func (c APIConfig) tokens(found *checks) *tokens {
	t := &tokens{config: c, read: c.tokenDigest()}
	t.Callers = api.NewCallers(c.callers(found))
	return t
}

// tokenFile returns the file with the token or the tokens, and its variable.
func (c APIConfig) tokenFile() (variable, path string) {
	if c.TokensFile != "" {
		return "WORKER_API_TOKENS_FILE", c.TokensFile
	}
	return "WORKER_API_TOKEN_FILE", c.TokenFile
}

func (c APIConfig) tokenDigest() digest {
	h := sha256.New()
	_, path := c.tokenFile()
	addFile(h, path)
	return digest(h.Sum(nil))
}

func (c APIConfig) callers(found *checks) []api.Caller {
	variable, path := c.tokenFile()
	switch {
	case path == "":
		found.failed(variable, "required with WORKER_API_ADDR: a file with the bearer token of the API (create one with openssl rand -hex 32); or WORKER_API_TOKENS_FILE, for several")
		return nil
	case c.TokensFile != "" && c.TokenFile != "":
		found.failed(variable, "set together with WORKER_API_TOKEN_FILE: set only one of them")
		return nil
	case c.TokensFile != "":
		return c.namedCallers(found)
	}
	token, err := readSecret(path)
	found.secretFile(variable, path)
	if err == nil {
		err = weak(string(token))
	}
	if err != nil {
		found.failed(variable, "%v", err)
	}
	return api.OneCaller(token)
}

// minToken is the shortest token that is safe from guessing, if it is random.
const minToken = 16

// weak returns an error if a token can be guessed: too short, a piece that is repeated, a row such
// as 0123456789abcdef, or few different characters.
func weak(token string) error {
	if len(token) < minToken {
		return fmt.Errorf("the token has %d characters, but needs at least %d (create one with openssl rand -hex 32)", len(token), minToken)
	}
	different, steps := map[byte]bool{}, map[int]int{}
	most := 0 // of the same step from one character to the next
	for i := range len(token) {
		different[token[i]] = true
		if i > 0 {
			step := int(token[i]) - int(token[i-1])
			steps[step]++
			most = max(most, steps[step])
		}
	}
	if len(different) < 6 || most > len(token)/2 || repeats(token) {
		return errors.New("the token is easy to guess: create one with openssl rand -hex 32")
	}
	return nil
}

func repeats(token string) bool {
	for n := 1; n <= len(token)/2; n++ {
		if token[n:] == token[:len(token)-n] {
			return true
		}
	}
	return false
}

// tokenEntry is one caller of the file.
type tokenEntry struct {
	Name      string   `yaml:"name"`
	SHA256    string   `yaml:"sha256"`
	Merchants []string `yaml:"merchants"`
	Read      bool     `yaml:"read"`
}

// namedCallers reads the file of named tokens. Errors never quote it: a token may stand where its
// hash belongs.
func (c APIConfig) namedCallers(found *checks) []api.Caller {
	variable, path := c.tokenFile()
	text, err := readFile(path, maxMerchantsFile)
	if err != nil {
		found.failed(variable, "%v", err)
		return nil
	}
	found.secretFile(variable, path)
	nodes, err := yamlList(text)
	if err != nil || len(nodes) == 0 {
		found.failed(variable, "%s: must be a YAML list with at least one caller, each with name, sha256, merchants, read", path)
		return nil
	}
	var all []api.Caller
	for _, node := range nodes {
		line := firstLine(node)
		var e tokenEntry
		if decoded(func() error { return yaml.NodeToValue(node, &e, yaml.Strict()) }) != nil {
			found.failed(variable, "%s, line %d: not valid: known are name, sha256 (of the token), merchants (a list of names) and read (true or false)", path, line)
			continue
		}
		one, wrong := e.caller(all)
		for _, problem := range wrong {
			found.failed(variable, "%s, line %d: %s", path, line, problem)
		}
		all = append(all, one)
	}
	return all
}

// caller checks one entry, alone and against those before it.
func (e tokenEntry) caller(before []api.Caller) (one api.Caller, wrong []string) {
	one = api.Caller{Name: e.Name, Merchants: e.Merchants, Read: e.Read}
	hash, err := hex.DecodeString(e.SHA256)
	if err != nil || len(hash) != len(one.Token) {
		wrong = append(wrong, "sha256: must be the 64 hexadecimal digits of printf %s TOKEN | sha256sum")
	} else {
		one.Token = [sha256.Size]byte(hash)
	}
	if one.Token == sha256.Sum256(nil) {
		wrong = append(wrong, "sha256: is that of an empty token")
	}
	if !tasks.ValidMerchant(e.Name) {
		wrong = append(wrong, "name: must be 1 to 64 letters, digits, _ or -")
	}
	if len(e.Merchants) == 0 || slices.ContainsFunc(e.Merchants, func(m string) bool { return m != "*" && !tasks.ValidMerchant(m) }) {
		wrong = append(wrong, `merchants: required: a list of names, or ["*"] for every merchant`)
	}
	if slices.ContainsFunc(before, func(c api.Caller) bool { return c.Name == one.Name || c.Token == one.Token }) {
		wrong = append(wrong, "its name or its token is already used above")
	}
	return one, wrong
}

// follow reads the file again when it has changed, and on SIGHUP, until ctx ends. An error is
// logged and changes nothing.
func (t *tokens) follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := t.read // a file that still changes is not read
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			t.reload(log)
		case <-tick.C:
			now := t.config.tokenDigest()
			if now != t.read && now == last {
				t.reload(log)
			}
			last = now
		}
	}
}

func (t *tokens) reload(log *slog.Logger) {
	t.read = t.config.tokenDigest() // before reading, so that the next poll sees a later change
	var found checks
	list := t.config.callers(&found)
	warn(log, found.warnings)
	for _, one := range found.wrong {
		log.Error("the new tokens of the API are not valid; the previous ones stay in effect", "error", one.Error())
	}
	if len(found.wrong) == 0 {
		t.Set(list)
		log.Info("the tokens of the API were read again", "callers", len(list))
	}
}
