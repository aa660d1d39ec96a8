package deploy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// manifests are the objects of one overlay by kind, and further ones of a kind by kind and name.
type manifests map[string]any

// serviceMonitor has the fields in use of the Prometheus operator's type, v1.
type serviceMonitor struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Interval      string `json:"interval"`
			ScrapeTimeout string `json:"scrapeTimeout"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// scaledObject has the fields in use of KEDA's type, v1alpha1.
type scaledObject struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount *int32 `json:"minReplicaCount"`
		MaxReplicaCount *int32 `json:"maxReplicaCount"`
		PollingInterval *int32 `json:"pollingInterval"`
		CooldownPeriod  *int32 `json:"cooldownPeriod"`
		Advanced        struct {
			HPA struct {
				Behavior struct {
					ScaleDown struct {
						StabilizationWindowSeconds *int32 `json:"stabilizationWindowSeconds"`
						Policies                   []struct {
							Type          string `json:"type"`
							Value         int32  `json:"value"`
							PeriodSeconds int32  `json:"periodSeconds"`
						} `json:"policies"`
					} `json:"scaleDown"`
				} `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type       string            `json:"type"`
			Name       string            `json:"name"`
			MetricType string            `json:"metricType"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// build builds an overlay like kubectl apply -k, and decodes every object strictly: Kubernetes would
// ignore a field that is misspelt or in the wrong place.
func build(t *testing.T, overlay string) manifests {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kustomize/overlays/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	all := manifests{}
	for _, r := range made.Resources() {
		var object any
		switch kind := r.GetKind(); kind {
		case "Deployment":
			object = &appsv1.Deployment{}
		case "Service":
			object = &corev1.Service{}
		case "ConfigMap":
			object = &corev1.ConfigMap{}
		case "PodDisruptionBudget":
			object = &policyv1.PodDisruptionBudget{}
		case "Ingress":
			object = &networkingv1.Ingress{}
		case "NetworkPolicy":
			object = &networkingv1.NetworkPolicy{}
		case "ServiceMonitor":
			object = &serviceMonitor{}
		case "ScaledObject":
			object = &scaledObject{}
		default:
			t.Fatalf("%s: a %s is not expected", overlay, kind)
		}
		text, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		// of Kubernetes itself: unlike encoding/json it heeds upper and lower case
		strict, err := json.UnmarshalStrict(text, object)
		if err := errors.Join(append(strict, err)...); err != nil {
			t.Errorf("%s: %s: %v", overlay, r.GetKind(), err)
		}
		kind := r.GetKind()
		if all[kind] != nil {
			kind += " " + r.GetName()
		}
		all[kind] = object
	}
	return all
}

// overlays runs a test for each overlay.
func overlays(t *testing.T, test func(t *testing.T, m manifests)) {
	for _, name := range []string{"small", "monitored", "keda", "notify"} {
		t.Run(name, func(t *testing.T) { test(t, build(t, name)) })
	}
}

func (m manifests) deployment() *appsv1.Deployment { return m["Deployment"].(*appsv1.Deployment) }

func (m manifests) container() corev1.Container {
	return m.deployment().Spec.Template.Spec.Containers[0]
}

// setting returns a variable of the worker, from its ConfigMap or its own.
func (m manifests) setting(name string) string {
	for _, e := range m.container().Env {
		if e.Name == name {
			return e.Value
		}
	}
	return m["ConfigMap"].(*corev1.ConfigMap).Data[name]
}

func TestKustomize_OverlaysHaveTheObjectsTheySpeakOf(t *testing.T) {
	base := []string{"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
	for overlay, more := range map[string][]string{"small": nil, "networks": nil, "monitored": {"ServiceMonitor"}, "keda": {"ScaledObject", "ServiceMonitor"}, "notify": {"Ingress", "Service qfpay-notify"}} {
		var kinds []string
		for kind := range build(t, overlay) {
			kinds = append(kinds, kind)
		}
		slices.Sort(kinds)
		want := slices.Sorted(slices.Values(append(slices.Clone(base), more...)))
		if !slices.Equal(kinds, want) {
			t.Errorf("%s has %q, want %q", overlay, kinds, want)
		}
	}
}

func TestKustomize_SetsOnlySettingsThatExist(t *testing.T) {
	t.Parallel()
	overlays(t, func(t *testing.T, m manifests) {
		names := []string{}
		for name := range m["ConfigMap"].(*corev1.ConfigMap).Data {
			names = append(names, name)
		}
		for _, e := range m.container().Env {
			names = append(names, e.Name)
		}
		for _, name := range names {
			if name != "GOMEMLIMIT" && !isSetting(t, name) {
				t.Errorf("%s is no setting", name)
			}
		}
		// the pods roll when a setting changes
		if ref := m.container().EnvFrom[0].ConfigMapRef.Name; ref != m["ConfigMap"].(*corev1.ConfigMap).Name || ref == "qfpay-worker" {
			t.Errorf("the settings come from %s", ref)
		}
	})
}

// Keys are files: kubectl describe shows environment variables, and child processes inherit them.
func TestKustomize_KeysComeFromFilesOfASecret(t *testing.T) {
	overlays(t, func(t *testing.T, m manifests) {
		for _, name := range []string{"QFPAY_CLIENT_KEY", "REDIS_PASSWORD"} {
			if m.setting(name) != "" {
				t.Errorf("%s is in the environment", name)
			}
		}
		c, pod := m.container(), m.deployment().Spec.Template.Spec
		mount := c.VolumeMounts[0]
		file := m.setting("QFPAY_CLIENT_KEY_FILE") + m.setting("QFPAY_MERCHANTS_FILE")
		if !strings.HasPrefix(file, mount.MountPath+"/") || !mount.ReadOnly {
			t.Errorf("%q is not under %s, or that can be written to", file, mount.MountPath)
		}
		for i, v := range pod.Volumes {
			if v.Name != c.VolumeMounts[i].Name || v.Secret == nil || *v.Secret.DefaultMode&0o007 != 0 {
				t.Errorf("%s is no Secret, or everybody can read it", v.Name)
			}
		}
		// Redis is spoken to with TLS, and as a user of its own.
		for _, name := range []string{"REDIS_PASSWORD_FILE", "REDIS_TLS_CA_FILE"} {
			if redis := c.VolumeMounts[1]; !strings.HasPrefix(m.setting(name), redis.MountPath+"/") || !redis.ReadOnly {
				t.Errorf("%s is %q, not under %s, or that can be written to", name, m.setting(name), redis.MountPath)
			}
		}
		if url := m.setting("REDIS_URL"); !strings.HasPrefix(url, "rediss://qfpay-worker@") {
			t.Errorf("REDIS_URL is %s", url)
		}
	})
}
