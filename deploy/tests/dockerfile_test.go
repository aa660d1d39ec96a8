package deploy

import (
	goversion "go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// stages parses the Dockerfile with BuildKit's parser.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func stage(t *testing.T, name string) instructions.Stage {
	t.Helper()
	for _, s := range stages(t) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("the Dockerfile has no stage %q", name)
	return instructions.Stage{}
}

// find returns the instructions of type T in a stage.
func find[T instructions.Command](s instructions.Stage) (found []T) {
	for _, c := range s.Commands {
		if c, ok := c.(T); ok {
			found = append(found, c)
		}
	}
	return found
}

func TestDockerfile_ImagesHaveOneBinaryAndRunAsNobody(t *testing.T) {
	base := stage(t, "base")
	if base.BaseName != "scratch" {
		t.Errorf("base is made from %s", base.BaseName)
	}
	users := find[*instructions.UserCommand](base)
	if len(users) != 1 || users[0].User != "65532:65532" {
		t.Errorf("base runs as %v", users)
	}
	for name, port := range map[string]string{"worker": "9464", "sandbox": "8088"} {
		s := stage(t, name)
		if s.BaseName != "base" {
			t.Errorf("%s is made from %s", name, s.BaseName)
		}
		if users := find[*instructions.UserCommand](s); len(users) > 0 {
			t.Errorf("%s changes its user", name)
		}
		if copies := find[*instructions.CopyCommand](s); len(copies) != 1 || copies[0].SourcePaths[0] != "/out/qfpay-"+name {
			t.Errorf("%s copies %v", name, copies)
		}
		if ports := find[*instructions.ExposeCommand](s); len(ports) != 1 || ports[0].Ports[0] != port {
			t.Errorf("%s exposes %v, want %s", name, ports, port)
		}
		// in the form of a list: there is no shell
		entry := find[*instructions.EntrypointCommand](s)
		if len(entry) != 1 || entry[0].PrependShell || entry[0].CmdLine[0] != "/qfpay-"+name {
			t.Errorf("%s starts %v", name, entry)
		}
		if command := find[*instructions.CmdCommand](s); len(command) != 1 || command[0].PrependShell {
			t.Errorf("%s has the command %v", name, command)
		}
	}
}

func TestDockerfile_DefaultImageIsTheWorker(t *testing.T) {
	all := stages(t)
	if last := all[len(all)-1]; last.Name != "worker" {
		t.Errorf("the last stage is %q", last.Name)
	}
}

// The compiler may be a later patch of Go than go.mod asks for: patches mend holes. The image's own Go
// must be able to download it.
func TestDockerfile_BuildsWithTheGoOfTheModuleOrALaterPatch(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(mod), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	build := stage(t, "build")
	image, _, _ := strings.Cut(strings.Replace(build.BaseName, "golang:", "go", 1), "@")
	compiler := find[*instructions.EnvCommand](build)[0].Env[0].Value
	for _, got := range []string{image, compiler} {
		if goversion.Lang(got) != goversion.Lang("go"+version) || goversion.Compare(got, "go"+version) < 0 {
			t.Errorf("built with %s, go.mod says %s", got, version)
		}
	}
}

// Runs the build commands of the Dockerfile: they must give static binaries with the given version.
func TestDockerfile_BuildGivesStaticBinariesWithTheirVersion(t *testing.T) {
	t.Parallel()
	runs := find[*instructions.RunCommand](stage(t, "build"))
	command := runs[len(runs)-1].CmdLine[0]
	out := t.TempDir()
	command = strings.ReplaceAll(command, "/out/", out+"/")
	build := exec.Command("sh", "-c", command)
	build.Dir = root
	build.Env = append(os.Environ(), "VERSION=v9.8.7", "COMMIT=0123abc", "TARGETOS=linux", "TARGETARCH=amd64")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, name := range []string{"qfpay-worker", "qfpay-sandbox"} {
		said, err := exec.Command(filepath.Join(out, name), "version").CombinedOutput()
		if err != nil || !strings.Contains(string(said), "v9.8.7") || !strings.Contains(string(said), "0123abc") {
			t.Errorf("%s version: %v, %s", name, err, said)
		}
		if interpreter := interpreter(t, filepath.Join(out, name)); interpreter != "" {
			t.Errorf("%s needs %s, which the image does not have", name, interpreter)
		}
	}
}

// The build context contains all sources of the binaries, and no keys or test data.
func TestDockerfile_ContextHasAllThatTheBuildNeeds(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(sources(t), "go.mod", "go.sum") {
		if ignored, err := matcher.MatchesOrParentMatches(file); err != nil || ignored {
			t.Errorf("%s is ignored, error %v", file, err)
		}
	}
	for _, file := range []string{".git/config", "deploy/compose/client_key", "qfpay/testdata/vectors.json", ".env", "qfpay/sign_test.go"} {
		if ignored, err := matcher.MatchesOrParentMatches(file); err != nil || !ignored {
			t.Errorf("%s is not ignored, error %v", file, err)
		}
	}
}

// sources are our files that the two binaries are compiled from.
func sources(t *testing.T) []string {
	t.Helper()
	const format = `{{if not .Standard}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}`
	list := exec.Command("go", "list", "-deps", "-f", format, "./cmd/qfpay-worker", "./cmd/qfpay-sandbox")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for file := range strings.FieldsSeq(string(out)) {
		if inside, ok := strings.CutPrefix(file, top+"/"); ok {
			files = append(files, inside)
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %q", files)
	}
	return files
}
