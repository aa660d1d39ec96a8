package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// merchantsVariable is the setting under which every problem in the file is reported.
const merchantsVariable = "QFPAY_MERCHANTS_FILE"

// maxMerchantsFile is the largest merchants file.
const maxMerchantsFile = 16 << 20

// entry is one merchant of the file. Values that it omits come from the variables.
type entry struct {
	Name          string `yaml:"name"`
	BaseURL       string `yaml:"base_url"`
	AppCode       string `yaml:"app_code"`
	ClientKeyFile string `yaml:"client_key_file"` // relative to the merchants file
	MchID         string `yaml:"mchid"`
	SignType      string `yaml:"sign_type"`
	PerSecond     *int   `yaml:"per_second"` // nil: not given; 0: no limit
	PerMinute     *int   `yaml:"per_minute"`
	NotifyKeyFile string `yaml:"notify_key_file"` // as client_key_file; empty: notifications are signed with the client key

	line int
}

// fromFile reads the merchants file and checks every entry, alone and against the others.
func (c GatewayConfig) fromFile(found *checks, d defaults, allowHTTP bool) []worker.Merchant {
	text, err := readFile(c.MerchantsFile, maxMerchantsFile)
	if err != nil {
		found.failed(merchantsVariable, "%v", err)
		return nil
	}
	r := fileReader{path: c.MerchantsFile, defaults: d, baseURLSet: c.BaseURL != "", allowHTTP: allowHTTP, found: found}
	var all []worker.Merchant
	for _, e := range r.entries(text) {
		all = append(all, r.merchant(e))
	}
	r.together(all)
	return all
}

// fileReader turns the entries of one merchants file into merchants.
type fileReader struct {
	path       string
	defaults   defaults
	baseURLSet bool
	allowHTTP  bool
	found      *checks
	lines      []int // of the entries that could be read
}

// wrong records a problem in one entry.
func (r *fileReader) wrong(line int, format string, args ...any) {
	r.found.failed(merchantsVariable, "%s, line %d: %s", r.path, line, fmt.Sprintf(format, args...))
}

// entries decodes the list strictly. If misspelt keys were ignored, a limit could be missing
// without anybody seeing it.
func (r *fileReader) entries(text []byte) []entry {
	nodes, err := yamlList(text)
	if err != nil {
		r.syntax(err)
		return nil
	}
	if len(nodes) == 0 {
		r.found.failed(merchantsVariable, "%s: has no merchants; it must be a YAML list with at least one", r.path)
	}
	var all []entry
	for _, node := range nodes {
		e := entry{line: firstLine(node)}
		if err := decoded(func() error { return yaml.NodeToValue(node, &e, yaml.Strict()) }); err != nil {
			r.syntax(err)
			continue
		}
		all, r.lines = append(all, e), append(r.lines, e.line)
	}
	return all
}

// yamlList returns the elements of a list. A second document would be left out without a word, so it
// is refused.
func yamlList(text []byte) (nodes []ast.Node, err error) {
	err = decoded(func() error {
		documents := yaml.NewDecoder(bytes.NewReader(text))
		if err := documents.Decode(&nodes); err != nil && err != io.EOF {
			return err
		}
		var more any
		if err := documents.Decode(&more); err == nil && more != nil {
			return errors.New("more than one document")
		}
		return nil
	})
	return nodes, err
}

// decoded runs the YAML reader, which panics on some invalid files: v1.19.2 does on a single
// hyphen.
func decoded(read func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("not YAML")
		}
	}()
	return read()
}

// firstLine returns the line at which an entry begins. The token of a mapping is the colon
// of its first key, on the same line.
func firstLine(node ast.Node) int {
	if node == nil || node.GetToken() == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

// syntax reports an error of the YAML reader by its line. The reader's own message quotes the
// source around the error, which may contain a secret.
func (r *fileReader) syntax(err error) {
	var located yaml.Error
	var unknown *yaml.UnknownFieldError
	var kind *yaml.TypeError
	line := 1
	if errors.As(err, &located) && located.GetToken() != nil {
		line = located.GetToken().Position.Line
	}
	switch {
	case errors.As(err, &unknown) && unknown.Token != nil && unknown.Token.Value == "client_key":
		r.wrong(line, "client_key: this file must not contain keys; set client_key_file to a file that contains the key")
	case errors.As(err, &unknown):
		r.wrong(line, "%s; known are name, base_url, app_code, client_key_file, mchid, sign_type, per_second, per_minute, notify_key_file", unknown.Message)
	case errors.As(err, &kind) && kind.DstType != nil:
		r.wrong(line, "the value has the wrong type, it must be %s (an mchid or app_code of digits needs quotes)", kind.DstType)
	default:
		r.wrong(line, "not valid: must be a YAML list of merchants, each a mapping of key: value")
	}
}

// merchant checks one entry.
func (r *fileReader) merchant(e entry) worker.Merchant {
	m := worker.Merchant{
		Merchant: qfpay.Merchant{
			Name: e.Name, BaseURL: r.baseURL(e), AppCode: e.AppCode,
			Key: r.key(e.line, "client_key_file", e.ClientKeyFile), MchID: e.MchID, SignType: r.signType(e),
		},
		PerSecond: r.rate(e.line, "per_second", e.PerSecond, r.defaults.perSecond),
		PerMinute: r.rate(e.line, "per_minute", e.PerMinute, r.defaults.perMinute),
	}
	if e.NotifyKeyFile != "" {
		m.NotifyKey = r.key(e.line, "notify_key_file", e.NotifyKeyFile)
	}
	if !tasks.ValidMerchant(e.Name) {
		r.wrong(e.line, "name: must be 1 to 64 letters, digits, _ or -, not %s", quoted(e.Name))
	}
	if !plainASCII.MatchString(e.AppCode) {
		r.wrong(e.line, "app_code: required, printable ASCII without spaces")
	}
	if e.MchID != "" && !plainASCII.MatchString(e.MchID) {
		r.wrong(e.line, "mchid: must be printable ASCII without spaces")
	}
	return m
}

func (r *fileReader) baseURL(e entry) string {
	if e.BaseURL == "" {
		if !r.baseURLSet {
			r.wrong(e.line, "base_url: required, here or for all merchants as QFPAY_BASE_URL")
		}
		return r.defaults.baseURL
	}
	u, err := baseURL(e.BaseURL, r.allowHTTP)
	if err != nil {
		r.wrong(e.line, "base_url: %v", err)
	}
	return u
}

// key reads the file with a key that an entry names.
func (r *fileReader) key(line int, field, file string) qfpay.Secret {
	if file == "" {
		r.wrong(line, "%s: required", field)
		return ""
	}
	path := beside(r.path, file)
	if _, err := os.Lstat(path); err != nil {
		r.wrong(line, "%s: %v", field, cannotReadSetting(file, err))
		return ""
	}
	key, err := readSecret(path)
	if r.found.secretFile(merchantsVariable, path); err != nil {
		r.wrong(line, "%s: %v", field, err)
	}
	return key
}

func (r *fileReader) signType(e entry) qfpay.SignType {
	switch t := qfpay.SignType(e.SignType); t {
	case "":
		return r.defaults.signType
	case qfpay.SHA256, qfpay.MD5:
		return t
	}
	r.wrong(e.line, "sign_type: must be SHA256 or MD5, not %s", quoted(e.SignType))
	return ""
}

func (r *fileReader) rate(line int, key string, given *int, otherwise int) int {
	if given == nil {
		return otherwise
	}
	if *given < 0 || *given > maxRate {
		r.wrong(line, "%s: must be from 0 to %d, not %d", key, maxRate, *given)
	}
	return *given
}

// together checks entries against each other. Names must be distinct. QFPay counts calls by
// app_code, so merchants with the same app_code share one budget.
func (r *fileReader) together(all []worker.Merchant) {
	names := map[string]int{}
	codes := map[string]int{}
	for i, m := range all {
		if first, ok := names[m.Name]; ok {
			r.wrong(r.lines[i], "name: %q is already used on line %d", m.Name, r.lines[first])
		} else {
			names[m.Name] = i
		}
		first, ok := codes[m.AppCode]
		if !ok {
			codes[m.AppCode] = i
			continue
		}
		if f := all[first]; f.PerSecond != m.PerSecond || f.PerMinute != m.PerMinute {
			r.wrong(r.lines[i], "per_second, per_minute: merchants of one app_code share one budget and must have the same limits; line %d has others", r.lines[first])
		}
	}
}
