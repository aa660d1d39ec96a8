package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documented is what the document says: which answers there are, and what they hold.
type documented struct {
	operations map[string]map[string]response // by "GET /path", then by status
	examples   map[string]example             // by where it stands
	compiler   *jsonschema.Compiler
	mux        *http.ServeMux // knows which operation a request is

	mu       sync.Mutex // compiling is not for several goroutines
	compiled map[string]*jsonschema.Schema
}

// response is one answer: by content type, where its schema stands.
type response map[string]string

// example is a body and where the schema that it must keep to stands.
type example struct {
	value  any
	schema string
}

// object is a JSON object of the document.
type object = map[string]any

func theDocument(t testing.TB) *documented {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	d := &documented{
		operations: map[string]map[string]response{}, examples: map[string]example{},
		compiler: compiler, compiled: map[string]*jsonschema.Schema{}, mux: http.NewServeMux(),
	}
	doc := parsed.(object)
	for path, item := range doc["paths"].(object) {
		for method, operation := range item.(object) {
			if method == "parameters" {
				continue
			}
			d.operation(doc, strings.ToUpper(method)+" "+path, "/paths/"+escaped(path)+"/"+method, operation.(object))
		}
	}
	return d
}

// escaped is a key as part of a JSON pointer.
func escaped(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }

func (d *documented) operation(doc object, name, at string, operation object) {
	d.mux.Handle(name, http.NotFoundHandler())
	d.operations[name] = map[string]response{}
	if body, ok := operation["requestBody"].(object); ok {
		d.content(name+", request", at+"/requestBody", body)
	}
	for status, r := range operation["responses"].(object) {
		place := at + "/responses/" + status
		if ref, ok := r.(object)["$ref"].(string); ok {
			place = strings.TrimPrefix(ref, "#")
			r = doc["components"].(object)["responses"].(object)[strings.TrimPrefix(ref, "#/components/responses/")]
		}
		d.operations[name][status] = d.content(name+", "+status, place, r.(object))
	}
}

func (d *documented) content(name, at string, of object) response {
	found := response{}
	for kind, content := range of["content"].(object) {
		schema := at + "/content/" + escaped(kind) + "/schema"
		if _, ok := content.(object)["schema"]; !ok {
			schema = ""
		}
		found[kind] = schema
		if value, ok := content.(object)["example"]; ok {
			d.examples[name+", "+kind] = example{value, schema}
		}
	}
	return found
}

// schema compiles the schema that stands at a JSON pointer.
func (d *documented) schema(t testing.TB, pointer string) *jsonschema.Schema {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.compiled[pointer] == nil {
		s, err := d.compiler.Compile("openapi.json#" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		d.compiled[pointer] = s
	}
	return d.compiled[pointer]
}

// lineSchemas are those of the lines of answers, by operation.
var lineSchemas = map[string]string{
	"POST /v1/orders":  "/components/schemas/LineAnswer",
	"GET /v1/results":  "/components/schemas/ResultLine",
	"GET /v1/payments": "/components/schemas/PaymentLine",
}

// check says what is wrong with an answer, if anything is.
func (d *documented) check(t testing.TB, req *http.Request, status int, contentType string, body []byte) error {
	t.Helper()
	_, name := d.mux.Handler(req)
	operation, known := d.operations[name]
	if !known || path.Clean(req.URL.Path) != req.URL.Path { // such a path is none
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			return fmt.Errorf("%s %s is not documented, and answered with %d", req.Method, req.URL.Path, status)
		}
		return valid(d.schema(t, "/components/schemas/Problem"), body)
	}
	answer, known := operation[fmt.Sprint(status)]
	if !known {
		return fmt.Errorf("%s: %d is not documented: %s", name, status, body)
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	pointer, known := answer[kind]
	switch {
	case !known:
		return fmt.Errorf("%s: %d as %q is not documented", name, status, contentType)
	case req.Method == http.MethodHead || pointer == "":
		return nil
	case kind == manyOrders:
		return d.checkLines(t, name, body)
	}
	return valid(d.schema(t, pointer), body)
}

func (d *documented) checkLines(t testing.TB, operation string, body []byte) error {
	for line := range bytes.Lines(body) {
		if err := valid(d.schema(t, lineSchemas[operation]), line); err != nil {
			return err
		}
	}
	return nil
}

func valid(schema *jsonschema.Schema, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, body)
	}
	return nil
}

// checking fails the test when an answer is not as documented.
type checking struct {
	*rig
	next http.RoundTripper
}

func (c *checking) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if err := c.doc.check(c.t, req, res.StatusCode, res.Header.Get("Content-Type"), body); err != nil {
		c.t.Error(err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// The schema of OpenAPI 3.1 itself, as published by the OpenAPI Initiative.
func TestDocument_IsOpenAPI(t *testing.T) {
	published, err := os.ReadFile("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	is := compiler.MustCompile("openapi.schema.json")
	for what, text := range map[string]string{"as served": document, "the file": openapi} {
		if err := valid(is, []byte(text)); err != nil {
			t.Errorf("%s: %.2000v", what, err)
		}
	}
}

func TestDocument_HasTheSchemasInIt(t *testing.T) {
	if strings.Contains(document, "schema.json\"}") {
		t.Error("the document has a reference to a file, which clients cannot follow")
	}
	var whole struct {
		Components struct {
			Schemas map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(document), &whole); err != nil {
		t.Fatal(err)
	}
	for name := range whole.Components.Schemas {
		theDocument(t).schema(t, "/components/schemas/"+name) // which compiles it, and what it refers to
	}
}

func TestDocument_HasTheRoutesOfTheHandlers(t *testing.T) {
	var routes []string
	for _, r := range (&server{}).routes() {
		routes = append(routes, r.method+" "+r.path)
	}
	slices.Sort(routes)
	if diff := cmp.Diff(routes, slices.Sorted(maps.Keys(theDocument(t).operations))); diff != "" {
		t.Errorf("(-handlers +document):\n%s", diff)
	}
}

func TestDocument_ExamplesAreValid(t *testing.T) {
	d := theDocument(t)
	if len(d.examples) < 12 {
		t.Errorf("%d examples", len(d.examples))
	}
	for name, e := range d.examples {
		body, err := json.Marshal(e.value)
		if err != nil {
			t.Fatal(err)
		}
		operation, isLines := strings.CutSuffix(name, ", 200, "+manyOrders)
		if text, ok := e.value.(string); ok && isLines {
			err = d.checkLines(t, operation, []byte(text))
		} else {
			err = valid(d.schema(t, e.schema), body)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p, ok := e.value.(object); ok && strings.HasSuffix(name, "application/problem+json") {
			status, _ := p["status"].(json.Number).Int64()
			if !strings.Contains(name, fmt.Sprint(", ", status, ", ")) || p["title"] != http.StatusText(int(status)) {
				t.Errorf("%s: its status is %v, its title %v", name, status, p["title"])
			}
		}
	}
}

func TestDocument_IsServedToEverybody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	req := r.request(http.MethodGet, "/v1/openapi.json", "", nil)
	req.Header.Del("Authorization")
	if got := r.do(req); got.status != http.StatusOK || got.body != document {
		t.Errorf("%d, %.100s", got.status, got.body)
	}
}
