package deploy

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// From the host that QFPay is told to the port that the worker listens on, every link fits the next.
func TestKustomize_NotificationsFindTheirWay(t *testing.T) {
	t.Parallel()
	m := build(t, "notify")
	_, port, err := net.SplitHostPort(m.setting("WORKER_NOTIFY_ADDR"))
	if err != nil {
		t.Fatal(err)
	}
	told, err := url.Parse(m.setting("WORKER_NOTIFY_URL"))
	if err != nil {
		t.Fatal(err)
	}
	ingress := m["Ingress"].(*networkingv1.Ingress).Spec
	path := ingress.Rules[0].HTTP.Paths[0]
	if ingress.Rules[0].Host != told.Host || !slices.Equal(ingress.TLS[0].Hosts, []string{told.Host}) || path.Path != told.Path+"/" {
		t.Errorf("QFPay is told %s, and the Ingress takes %s%s for %v", told, ingress.Rules[0].Host, path.Path, ingress.TLS[0].Hosts)
	}
	service := m["Service qfpay-notify"].(*corev1.Service)
	if to := path.Backend.Service; to.Name != service.Name || to.Port.Name != service.Spec.Ports[0].Name {
		t.Errorf("the Ingress leads to %+v", to)
	}
	i := slices.IndexFunc(m.container().Ports, func(p corev1.ContainerPort) bool { return p.Name == service.Spec.Ports[0].TargetPort.StrVal })
	if i < 0 || strconv.Itoa(int(m.container().Ports[i].ContainerPort)) != port {
		t.Errorf("the Service leads to %s of %+v, and the worker listens on %s", service.Spec.Ports[0].TargetPort.StrVal, m.container().Ports, port)
	}
	for label, value := range service.Spec.Selector {
		if m.deployment().Spec.Template.Labels[label] != value {
			t.Errorf("the Service selects %v", service.Spec.Selector)
		}
	}
	admitted := slices.ContainsFunc(m["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
		return len(r.From) > 0 && r.Ports[0].Port.String() == port
	})
	if !admitted || m.setting("WORKER_PAYMENTS") != "on" || m.setting("WORKER_NOTIFY_PROXIES") == "" {
		t.Errorf("nothing gets to port %s, or nothing is taken there", port)
	}
}

// Who does not want notifications has neither a port nor a way in.
func TestKustomize_NotificationsAreOffByDefault(t *testing.T) {
	t.Parallel()
	m := build(t, "small")
	if len(m.container().Ports) != 1 || len(m["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.Ingress) != 1 {
		t.Errorf("ports %+v", m.container().Ports)
	}
	for name := range m["ConfigMap"].(*corev1.ConfigMap).Data {
		if strings.HasPrefix(name, "WORKER_NOTIFY") || name == "WORKER_PAYMENTS" {
			t.Errorf("%s is set", name)
		}
	}
}
