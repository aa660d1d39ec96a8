package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

const root = "../.."

// compose loads docker-compose.yml like docker compose: with its schema, and without this
// machine's environment.
func compose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose_HasTheServicesItSpeaksOf(t *testing.T) {
	want := []string{"grafana", "producer", "prometheus", "redis", "simulator", "worker"}
	if got := compose(t).ServiceNames(); !slices.Equal(got, want) {
		t.Errorf("services %q, want %q", got, want)
	}
}

func TestCompose_ContainersGetAsLittleAsTheyNeed(t *testing.T) {
	for name, s := range compose(t).Services {
		if !s.ReadOnly {
			t.Errorf("%s: its file system can be written to", name)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged {
			t.Errorf("%s: keeps capabilities", name)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: could gain privileges", name)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to the network", name, p.Published)
			}
		}
	}
}

// settings returns the variables of the configuration from the help of the program.
var settings = sync.OnceValues(func() ([]string, error) {
	var names []string
	for _, command := range []string{"run", "enqueue"} {
		help := exec.Command("go", "run", "./cmd/qfpay-worker", command, "--help")
		help.Dir = root
		text, err := help.Output()
		if err != nil {
			return nil, err
		}
		for _, m := range regexp.MustCompile(`\[([A-Z]+(?:_[A-Z]+)+)\]`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	if len(names) < 20 {
		return nil, fmt.Errorf("only %q", names)
	}
	return names, nil
})

func isSetting(t *testing.T, name string) bool {
	t.Helper()
	names, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(names, name)
}

func TestCompose_SetsOnlySettingsThatExist(t *testing.T) {
	t.Parallel()
	project := compose(t)
	for _, name := range []string{"worker", "producer"} {
		for variable := range project.Services[name].Environment {
			if !isSetting(t, variable) {
				t.Errorf("%s: %s is no setting", name, variable)
			}
		}
	}
}

func TestCompose_WorkerIsTheSimulatorsSampleMerchant(t *testing.T) {
	project := compose(t)
	worker := project.Services["worker"]
	if got := variable(t, worker, "QFPAY_APP_CODE"); got != simulator.SampleAppCode {
		t.Errorf("QFPAY_APP_CODE is %s, want %s", got, simulator.SampleAppCode)
	}
	if len(worker.Secrets) != 2 {
		t.Fatalf("the worker has %d secrets", len(worker.Secrets))
	}
	source := worker.Secrets[0].Source
	if got, want := variable(t, worker, "QFPAY_CLIENT_KEY_FILE"), "/run/secrets/"+source; got != want {
		t.Errorf("QFPAY_CLIENT_KEY_FILE is %s, but the secret is at %s", got, want)
	}
	key, err := os.ReadFile(project.Secrets[source].File)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(key)) != string(simulator.SampleKey) {
		t.Error("the key is not the simulator's sample key")
	}
}

func TestCompose_WorkerIsNotKilledBeforeItHasShutDown(t *testing.T) {
	worker := compose(t).Services["worker"]
	shutdown, err := time.ParseDuration(variable(t, worker, "WORKER_SHUTDOWN_TIMEOUT"))
	if err != nil {
		t.Fatal(err)
	}
	if worker.StopGracePeriod == nil || time.Duration(*worker.StopGracePeriod) < shutdown+5*time.Second {
		t.Errorf("stop_grace_period is %v, WORKER_SHUTDOWN_TIMEOUT %s", worker.StopGracePeriod, shutdown)
	}
}

func variable(t *testing.T, s types.ServiceConfig, name string) string {
	t.Helper()
	value := s.Environment[name]
	if value == nil {
		t.Fatalf("%s: %s is not set", s.Name, name)
	}
	return *value
}

// Every file that a service mounts exists: otherwise docker would create an empty directory.
func TestCompose_MountedFilesExist(t *testing.T) {
	project := compose(t)
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if !v.ReadOnly {
				t.Errorf("%s: can write to %s", name, v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	producer := project.Services["producer"]
	file := producer.Command[len(producer.Command)-1]
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		t.Errorf("producer: %v", err)
	}
}

// The mounted directories contain the files that the services read: the rules of Prometheus, and
// every dashboard of Grafana, including its home dashboard.
func TestCompose_RulesAndDashboardsAreProvisioned(t *testing.T) {
	project := compose(t)
	under := func(service, inside string) string {
		t.Helper()
		for _, v := range project.Services[service].Volumes {
			if rest, ok := strings.CutPrefix(inside, v.Target+"/"); ok {
				return filepath.Join(v.Source, rest)
			}
		}
		t.Fatalf("%s has nothing at %s", service, inside)
		return ""
	}
	config, err := os.ReadFile(under("prometheus", "/etc/prometheus/prometheus.yml"))
	if err != nil || !strings.Contains(string(config), "rule_files: [alerts.yml]") {
		t.Errorf("Prometheus reads no rules, error %v", err)
	}
	files := []string{under("prometheus", "/etc/prometheus/alerts.yml")}
	for _, d := range dashboards.All() {
		files = append(files, under("grafana", "/var/lib/qfpay/dashboards/"+d.File))
	}
	files = append(files, under("grafana", variable(t, project.Services["grafana"], "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")))
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}
