package deploy

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestKustomize_PodIsNotKilledBeforeItHasShutDown(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		duration := func(name string) time.Duration {
			d, err := time.ParseDuration(m.setting(name))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return d
		}
		grace := time.Duration(*m.deployment().Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		shutdown, timeout := duration("WORKER_SHUTDOWN_TIMEOUT"), duration("QFPAY_TIMEOUT")
		if roll := m.deployment().Spec.Strategy.RollingUpdate; roll == nil || roll.MaxUnavailable.IntValue() != 0 || roll.MaxSurge.IntValue() != 1 {
			t.Errorf("it rolls by %+v: the new pod must be there before the old one goes", roll)
		}
		if grace < shutdown+5*time.Second || shutdown < timeout+5*time.Second {
			t.Errorf("it has %s to end, of which it uses %s, and a call may take %s", grace, shutdown, timeout)
		}
	})
}

// Liveness is about the process, readiness also about Redis.
func TestKustomize_ProbesAskTheRightPages(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		c := m.container()
		host, port, err := net.SplitHostPort(m.setting("WORKER_HTTP_ADDR"))
		if err != nil || host != "0.0.0.0" {
			t.Fatalf("WORKER_HTTP_ADDR is %q: no probe reaches it", m.setting("WORKER_HTTP_ADDR"))
		}
		if p := c.Ports[0]; p.Name != "metrics" || strconv.Itoa(int(p.ContainerPort)) != port {
			t.Errorf("the port is %+v, want %s", p, port)
		}
		for path, probes := range map[string][]*corev1.Probe{"/healthz": {c.StartupProbe, c.LivenessProbe}, "/readyz": {c.ReadinessProbe}} {
			for _, p := range probes {
				if p == nil || p.HTTPGet.Path != path || p.HTTPGet.Port.StrVal != "metrics" {
					t.Errorf("a probe asks %+v, want %s", p, path)
				}
			}
		}
		// it waits 10 s for Redis before it serves its pages
		if s := c.StartupProbe; s.PeriodSeconds*s.FailureThreshold < 15 {
			t.Errorf("it has %d s to start", s.PeriodSeconds*s.FailureThreshold)
		}
	})
}

func TestKustomize_PodsGetAsLittleAsTheyNeed(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		pod, c := m.deployment().Spec.Template.Spec, m.container()
		if s := pod.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser != 65532 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the pod runs as %+v", s)
		}
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("the container runs with %+v", s)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID {
			t.Error("the pod can speak to the cluster, or is part of its host")
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Error("the pod does not say what it needs")
		}
	})
}

// All selectors of pods use labels that the pods have.
func TestKustomize_SelectorsFindThePods(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		labels := m.deployment().Spec.Template.Labels
		selectors := map[string]map[string]string{
			"Deployment":          m.deployment().Spec.Selector.MatchLabels,
			"Service":             m["Service"].(*corev1.Service).Spec.Selector,
			"PodDisruptionBudget": m["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels,
			"NetworkPolicy":       m["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.PodSelector.MatchLabels,
		}
		for kind, selector := range selectors {
			if len(selector) == 0 || !has(labels, selector) {
				t.Errorf("%s selects %v, the pods have %v", kind, selector, labels)
			}
		}
		if b := m["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec; b.MaxUnavailable.IntValue() != 1 || b.MinAvailable != nil {
			t.Errorf("the budget is %+v: it may block every drain", b)
		}
		monitor, ok := m["ServiceMonitor"].(*serviceMonitor)
		if !ok {
			return
		}
		service := m["Service"].(*corev1.Service)
		if monitor.Metadata.Labels["release"] == "" {
			t.Error("kube-prometheus-stack does not take the ServiceMonitor: it has no label release")
		}
		if !has(service.Labels, monitor.Spec.Selector.MatchLabels) || monitor.Spec.Endpoints[0].Port != service.Spec.Ports[0].Name {
			t.Errorf("the ServiceMonitor selects %v, the Service has %v", monitor.Spec, service.Labels)
		}
	})
}

func has(labels, selector map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func TestKustomize_NetworkIsOpenWhereItMustBeAndNowhereElse(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		spec := m["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
		ways := []string{"TCP 9464"} // from where it is scraped, and where notifications come from
		if m["Ingress"] != nil {
			ways = append(ways, "TCP 9466")
		}
		if len(spec.PolicyTypes) != 2 || len(spec.Ingress) != len(ways) {
			t.Fatalf("policy %+v", spec)
		}
		for i, way := range spec.Ingress {
			if got := portsOf(way.Ports); !slices.Equal(got, ways[i:i+1]) || len(way.From) != 1 || way.From[0].NamespaceSelector == nil {
				t.Errorf("open to the inside: %v from %+v", got, way.From)
			}
		}
		if redis := spec.Egress[1].To[0].PodSelector; redis.MatchLabels["app.kubernetes.io/name"] != "redis" {
			t.Errorf("the way to Redis leads to %v", redis.MatchLabels)
		}
		var out []string
		for _, e := range spec.Egress {
			if len(e.To) == 0 {
				t.Error("open to everything")
			}
			out = append(out, portsOf(e.Ports)...)
		}
		if !slices.Equal(out, []string{"UDP 53", "TCP 53", "TCP 6379", "TCP 443"}) {
			t.Errorf("open to the outside: %v", out)
		}
	})
}

// Each patch of the overlay networks opens one more way, and no patch opens everything.
func TestKustomize_PatchesOpenTheWaysToOtherTopologies(t *testing.T) {
	spec := build(t, "networks")["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
	var out []string
	for _, e := range spec.Egress {
		if len(e.To) != 1 {
			t.Fatalf("open to %v", e.To)
		}
		to := "pods"
		if b := e.To[0].IPBlock; b != nil {
			to = b.CIDR
		}
		out = append(out, to+": "+strings.Join(portsOf(e.Ports), ", "))
	}
	want := []string{
		"pods: UDP 53, TCP 53",
		"pods: TCP 6379, TCP 26379, TCP 6380",
		"0.0.0.0/0: TCP 443",
		"169.254.20.10/32: UDP 53, TCP 53",
		"10.20.0.0/24: TCP 6379, TCP 6380, TCP 26379",
	}
	if !slices.Equal(out, want) {
		t.Errorf("open to the outside: %q, want %q", out, want)
	}
	for _, patch := range []string{"nodelocal-dns", "redis-sentinel", "redis-6380", "redis-outside"} {
		text, err := os.ReadFile("../kustomize/overlays/networks/" + patch + ".yaml")
		if err != nil || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not say when it is needed, error %v", patch, err)
		}
	}
}

func portsOf(ports []networkingv1.NetworkPolicyPort) (all []string) {
	for _, p := range ports {
		all = append(all, string(*p.Protocol)+" "+p.Port.String())
	}
	return all
}

// KEDA scales by metrics that more pods can improve, and up to a maximum.
func TestKustomize_KEDAScalesByMetricsThatExist(t *testing.T) {
	m := build(t, "keda")
	s := m["ScaledObject"].(*scaledObject).Spec
	if m.deployment().Spec.Replicas != nil || s.ScaleTargetRef.Name != m.deployment().Name {
		t.Errorf("it scales %q, whose number of pods is set as well", s.ScaleTargetRef.Name)
	}
	if s.MaxReplicaCount == nil || *s.MaxReplicaCount > 10 || *s.MinReplicaCount < 1 {
		t.Errorf("from %v to %v pods", s.MinReplicaCount, s.MaxReplicaCount)
	}
	known := exposition(t)
	for _, trigger := range s.Triggers {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(trigger.Metadata["query"])
		if err != nil {
			t.Fatal(err)
		}
		if found := known.problems(expr); len(found) > 0 {
			t.Errorf("%s: %v", trigger.Name, found)
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok && v.Name == "qfpay_orders_unsettled" {
				t.Errorf("%s: scales by orders that wait for quota, which no pod can help", trigger.Name)
			}
			return nil
		})
		if want := map[string]string{"age": "Value", "backlog": "AverageValue"}[trigger.Name]; trigger.MetricType != want {
			t.Errorf("%s is a %s, want %s", trigger.Name, trigger.MetricType, want)
		}
	}
}
