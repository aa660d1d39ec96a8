package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pinned is an image whose tag says what it is, and whose digest keeps it so.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:[^@ ]*[0-9][^@ ]*@sha256:[0-9a-f]{64}$`)

// foreign reports whether an image comes from elsewhere: ours are built here.
func foreign(image string) bool { return !strings.HasPrefix(image, "qfpay-") }

func TestImages_OfOthersArePinnedByTheirDigest(t *testing.T) {
	images := map[string]string{}
	for name, s := range compose(t).Services {
		if s.Build == nil || foreign(s.Image) {
			images["compose service "+name] = s.Image
		}
	}
	built := []string{"scratch"}
	for _, s := range stages(t) {
		if !slices.Contains(built, s.BaseName) {
			images["stage "+s.Name] = s.BaseName
		}
		built = append(built, s.Name)
	}
	overlays(t, func(t *testing.T, m manifests) {
		pod := m.deployment().Spec.Template.Spec
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			if foreign(c.Image) {
				images["container "+c.Name] = c.Image
			}
		}
	})
	if len(images) != 4 {
		t.Errorf("images of others: %v", images)
	}
	for where, image := range images {
		if !pinned.MatchString(image) {
			t.Errorf("%s: %q is not NAME:VERSION@sha256:DIGEST", where, image)
		}
	}
}

// What the pages tell a reader to pull would be another image every month.
func TestImages_DocsNameNoneOfOthers(t *testing.T) {
	tracked := exec.Command("git", "ls-files", "*.md")
	tracked.Dir = root
	pages, err := tracked.Output()
	if err != nil {
		t.Fatal(err)
	}
	for page := range strings.FieldsSeq(string(pages)) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range regexp.MustCompile(`(docker|podman) (run|pull)[^`+"`"+`]*`).FindAllString(string(text), -1) {
			if !strings.Contains(command, "qfpay-") {
				t.Errorf("%s: %q", page, command)
			}
		}
	}
}

// Images and packages are built by the same compiler, which is named, whatever Go a machine has.
func TestImages_HaveTheCompilerOfTheRelease(t *testing.T) {
	of := func(file, pattern string) string {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("%s names no compiler", file)
		}
		return found[1]
	}
	image := of("deploy/Dockerfile", `(?m)^ENV GOTOOLCHAIN=(go\S+)$`)
	if release := of(".goreleaser.yml", `(?m)^  - GOTOOLCHAIN=(go\S+)`); release != image {
		t.Errorf("releases are built with %s, images with %s", release, image)
	}
}
