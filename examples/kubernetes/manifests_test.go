// Package kubernetes tests the manifests beside it: decoded strictly against the API's own types, and held against what
// kerntap needs and what it promises not to need.
package kubernetes

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// decoder knows the types that the manifests use, and refuses fields that they do not have, and fields given twice.
func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, rbacv1.AddToScheme,
		policyv1.AddToScheme, autoscalingv2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// objects decodes every document of a file.
func objects(t *testing.T, name string) []runtime.Object {
	t.Helper()
	var all []runtime.Object
	for documents := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(read(t, name)))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder(t).Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, document)
		}
		all = append(all, object)
	}
}

// find returns the one object of a type.
func find[T runtime.Object](t *testing.T, all []runtime.Object) (found T) {
	t.Helper()
	n := 0
	for _, object := range all {
		if o, ok := object.(T); ok {
			found, n = o, n+1
		}
	}
	if n != 1 {
		t.Fatalf("%d objects of that type", n)
	}
	return found
}

func TestEveryManifestIsStrictlyWhatTheAPIKnows(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name == "sidecar.yaml" || name == "kustomization.yaml" { // no objects of the API
			continue
		}
		if len(objects(t, name)) == 0 {
			t.Errorf("%s holds nothing", name)
		}
	}
}

func TestAnUnknownFieldIsRefused(t *testing.T) {
	text := bytes.Replace(read(t, "deployment.yaml"), []byte("replicas:"), []byte("replica:"), 1)
	if _, _, err := decoder(t).Decode(text, nil, nil); err == nil {
		t.Error("a field that the API does not have is taken")
	}
}

// patched is the workload with the sidecar beside it.
func patched(t *testing.T) *appsv1.Deployment {
	t.Helper()
	original, err := yaml.YAMLToJSONStrict(read(t, "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	patch, err := yaml.YAMLToJSONStrict(read(t, "sidecar.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	object, _, err := decoder(t).Decode(merged, nil, nil)
	if err != nil {
		t.Fatalf("%v in %s", err, merged)
	}
	return object.(*appsv1.Deployment)
}

func TestTheSidecarIsANativeOneAndChangesNothingElse(t *testing.T) {
	with := patched(t)
	without := find[*appsv1.Deployment](t, objects(t, "deployment.yaml"))
	pod := with.Spec.Template.Spec
	if len(pod.InitContainers) != 1 || pod.InitContainers[0].RestartPolicy == nil ||
		*pod.InitContainers[0].RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Fatalf("no native sidecar: %+v", pod.InitContainers)
	}
	kerntap := pod.InitContainers[0]
	holdsToItsPromises(t, &kerntap, []corev1.Capability{"BPF", "PERFMON"})
	if environ(&kerntap)["KERNTAP_SCOPE"] != "netns" {
		t.Error("it watches more than its own pod")
	}
	if environ(&kerntap)["OTEL_SERVICE_NAME"] == "" {
		t.Error("it has the DaemonSet's name: dashboards would add up what both see")
	}
	with.Spec.Template.Spec.InitContainers = nil
	if a, b := marshal(t, with), marshal(t, without); a != b {
		t.Errorf("the patch changes the workload:\n%s\nwas\n%s", a, b)
	}
}

func TestTheDaemonSetNeedsNoAPIAndNoPrivilegedContainer(t *testing.T) {
	all := objects(t, "daemonset.yaml")
	set := find[*appsv1.DaemonSet](t, all)
	pod := set.Spec.Template.Spec
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.ServiceAccountName != "" {
		t.Error("it has a token of the API server")
	}
	for _, object := range all {
		switch object.(type) {
		case *rbacv1.Role, *rbacv1.ClusterRole, *rbacv1.RoleBinding, *rbacv1.ClusterRoleBinding, *corev1.ServiceAccount:
			t.Errorf("it wants rights: %T", object)
		}
	}
	if pod.HostNetwork || pod.HostIPC || len(pod.Containers) != 1 {
		t.Errorf("it takes more of the host than its processes: %+v", pod)
	}
	for _, volume := range pod.Volumes {
		if volume.HostPath != nil {
			t.Errorf("it mounts %s of the host", volume.HostPath.Path)
		}
	}
	holdsToItsPromises(t, &pod.Containers[0], []corev1.Capability{"BPF", "PERFMON", "SYSLOG"})
	asksInside(t, "readiness", pod.Containers[0].ReadinessProbe)
	enforced := find[*corev1.Namespace](t, all).Labels["pod-security.kubernetes.io/enforce"]
	if enforced != "privileged" {
		t.Errorf("Pod Security at level %q would not admit it", enforced)
	}
	for name, value := range set.Spec.Selector.MatchLabels {
		if set.Spec.Template.Labels[name] != value {
			t.Errorf("the selector's %s is not the pods'", name)
		}
	}
}

// holdsToItsPromises checks what is true of kerntap wherever it runs.
func holdsToItsPromises(t *testing.T, c *corev1.Container, capabilities []corev1.Capability) {
	t.Helper()
	s := c.SecurityContext
	if s == nil || *s.Privileged || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || *s.RunAsUser != 0 {
		t.Fatalf("security context %+v", s)
	}
	if !slices.Equal(s.Capabilities.Add, capabilities) || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("capabilities %+v", s.Capabilities)
	}
	asksInside(t, "startup", c.StartupProbe)
	asksInside(t, "liveness", c.LivenessProbe)
	if c.Resources.Limits.Memory().IsZero() {
		t.Error("its memory has no bound")
	}
	if environ(c)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "" {
		t.Error("it sends to its own loopback, where no collector is")
	}
}

func asksInside(t *testing.T, name string, probe *corev1.Probe) {
	t.Helper()
	if probe == nil || probe.Exec == nil || !slices.Equal(probe.Exec.Command, []string{"/kerntap", "ready"}) {
		t.Errorf("%s probe %+v: a kubelet does not reach a container's loopback", name, probe)
	}
}

func environ(c *corev1.Container) map[string]string {
	values := make(map[string]string)
	for _, v := range c.Env {
		values[v.Name] = v.Value
	}
	return values
}

func TestTheGatewaysNameResolvesToEveryPod(t *testing.T) {
	all := objects(t, "gateway.yaml")
	service, deployment := find[*corev1.Service](t, all), find[*appsv1.Deployment](t, all)
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Error("the Service has one address: each node would stay with one pod")
	}
	for name, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[name] != value {
			t.Errorf("the Service does not select the Deployment's pods by %s", name)
		}
	}
	if target := find[*autoscalingv2.HorizontalPodAutoscaler](t, all).Spec.ScaleTargetRef; target.Name != deployment.Name {
		t.Errorf("the autoscaler scales %s", target.Name)
	}
	for _, argument := range deployment.Spec.Template.Spec.Containers[0].Args {
		name := filepath.Base(argument)
		if _, err := os.Stat(filepath.Join("..", "collector", name)); err != nil && name != "otel-collector.yaml" {
			t.Errorf("%s names no file that the ConfigMap has", argument)
		}
	}
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
