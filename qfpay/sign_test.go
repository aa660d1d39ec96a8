package qfpay

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// vector is a signature that was cross-checked with four other implementations.
type vector struct {
	Name      string
	Kind      string
	Params    Params
	Body      string
	Key       string
	Canonical string
	MD5       string
	SHA256    string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 19 {
		t.Fatalf("%d vectors, want 19", len(all))
	}
	return all
}

func TestSign_EveryVectorIsReproduced(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			key := Secret(v.Key)
			got := []string{v.Params.Canonical(), MD5.Sign(v.Params, key), SHA256.Sign(v.Params, key)}
			if v.Kind != "request" {
				got = []string{v.Body, MD5.SignText([]byte(v.Body), key), SHA256.SignText([]byte(v.Body), key)}
			}
			if diff := cmp.Diff([]string{v.Canonical, v.MD5, v.SHA256}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSign_ASignatureIsUpperCaseAndComparedWithoutRegardToCase(t *testing.T) {
	sign := MD5.Sign(Params{"a": "1"}, testKey)
	if sign != strings.ToUpper(sign) {
		t.Errorf("%s is not upper case", sign)
	}
	if !SameSignature(sign, strings.ToLower(sign)) {
		t.Error("the lower-case form is not the same")
	}
	if SameSignature(sign, sign[:31]) || SameSignature(sign, "") {
		t.Error("a part of a signature counts as the signature")
	}
}

func TestSign_TheBodySaysTheSameAsTheSignedText(t *testing.T) {
	name := rapid.StringMatching(`[a-zA-Z_]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		p := Params(rapid.MapOf(name, rapid.String()).Draw(t, "params"))
		read, err := url.ParseQuery(p.form())
		if err != nil {
			t.Fatal(err)
		}
		decoded := Params{}
		for name, values := range read {
			if len(values) != 1 {
				t.Fatalf("%s is sent %d times", name, len(values))
			}
			decoded[name] = values[0]
		}
		if decoded.Canonical() != p.Canonical() {
			t.Fatalf("signed %q, sent %q", p.Canonical(), decoded.Canonical())
		}
	})
}
