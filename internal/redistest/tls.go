package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Authority is a private authority, which signs certificates for 127.0.0.1.
type Authority struct {
	File string // its own certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{cert: &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}}
	a.File, _, a.key = a.sign(tb, a.cert)
	return a
}

// Sign returns a certificate and its key, as files.
func (a *Authority) Sign(tb testing.TB) (cert, key string) {
	tb.Helper()
	cert, key, _ = a.sign(tb, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	return cert, key
}

// sign signs with the authority's key; its own certificate with the new key.
func (a *Authority) sign(tb testing.TB, c *x509.Certificate) (certFile, keyFile string, key *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	OK(tb, err)
	signer := a.key
	if signer == nil {
		signer = key
	}
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	OK(tb, err)
	c.Subject = pkix.Name{CommonName: "redistest " + c.SerialNumber.String()}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), signer)
	OK(tb, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	OK(tb, err)
	dir := tb.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	OK(tb, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	OK(tb, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile, key
}

// TLS returns the lines of a configuration with which a server or Sentinel speaks TLS alone, on
// a port, and demands certificates of its clients.
func (a *Authority) TLS(tb testing.TB, port string) []string {
	tb.Helper()
	cert, key := a.Sign(tb)
	return []string{"port 0", "tls-port " + port, "tls-cert-file " + cert, "tls-key-file " + key, "tls-ca-cert-file " + a.File,
		"tls-auth-clients yes", "tls-replication yes", "tls-cluster yes"}
}

// StartTLS is [StartTCP] with TLS, where clients need a certificate of the same authority.
func StartTLS(tb testing.TB, a *Authority, args ...string) *Server {
	tb.Helper()
	p := port(tb)
	var all []string
	for _, line := range a.TLS(tb, p) {
		name, value, _ := strings.Cut(line, " ")
		all = append(all, "--"+name, value)
	}
	s := Start(tb, append(all, args...)...)
	s.Addr = net.JoinHostPort("127.0.0.1", p)
	s.URL = "rediss://" + s.Addr + "/0"
	return s
}
