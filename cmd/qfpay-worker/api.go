package main

import (
	"net"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
)

// APIConfig configures the HTTP API for orders.
type APIConfig struct {
	Addr       string `name:"worker-api-addr" aliases:"api" group:"HTTP API" help:"Address of the HTTP API for orders, such as 127.0.0.1:9465; also --api. Empty: no API. Without a certificate, loopback only."`
	TokenFile  string `name:"worker-api-token-file" group:"HTTP API" help:"File with the bearer token of the API, 16 characters or more. Required with WORKER_API_ADDR, or the next one. Read again when it changes."`
	TokensFile string `name:"worker-api-tokens-file" group:"HTTP API" help:"YAML list of callers: name, sha256 (of the token), merchants (for which it may order; * is every one), read (whether it may read orders and QR codes). Read again when it changes."`
	CertFile   string `name:"worker-api-cert-file" group:"HTTP API" help:"File with the TLS certificate and its chain, PEM. Read again when it changes."`
	KeyFile    string `name:"worker-api-key-file" group:"HTTP API" help:"File with the key of the certificate, PEM."`
}

// APISettings is a checked APIConfig.
type APISettings struct {
	Addr        string // host:port; empty: no API
	Callers     *tokens
	Certificate *conns.Certificate // nil: plain HTTP
}

// resolve checks the settings of the API. Without an address, it ignores the others.
func (c APIConfig) resolve(found *checks) APISettings {
	if c.Addr == "" {
		return APISettings{}
	}
	s := APISettings{Addr: listenAddr(found, "WORKER_API_ADDR", "9465", c.Addr), Callers: c.tokens(found)}
	host, _, err := net.SplitHostPort(c.Addr)
	switch {
	case c.CertFile != "" || c.KeyFile != "":
		s.Certificate = certificate(found, "WORKER_API_CERT_FILE", c.CertFile, "WORKER_API_KEY_FILE", c.KeyFile)
	case err == nil && !loopback(host):
		found.failed("WORKER_API_ADDR", "must be on loopback, such as 127.0.0.1:9465, or have TLS (WORKER_API_CERT_FILE, WORKER_API_KEY_FILE): "+
			"the token must not cross a network in plain text")
	}
	return s
}

// certificate loads a certificate. An error names the variable of the file that cannot be read.
func certificate(found *checks, certVariable, certFile, keyVariable, keyFile string) *conns.Certificate {
	before := len(found.wrong)
	for _, f := range []struct{ variable, path, other string }{
		{certVariable, certFile, keyVariable},
		{keyVariable, keyFile, certVariable},
	} {
		if f.path == "" {
			found.failed(f.variable, "required with %s", f.other)
		} else if file, err := openFile(f.path); err != nil {
			found.failed(f.variable, "%v", err)
		} else {
			file.Close()
		}
	}
	if len(found.wrong) > before {
		return nil
	}
	found.secretFile(keyVariable, keyFile)
	loaded, err := conns.LoadCertificate(certFile, keyFile)
	if err != nil {
		found.failed(certVariable, "with %s: %v", keyVariable, err)
	}
	return loaded
}
