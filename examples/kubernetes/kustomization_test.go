package kubernetes

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// kustomization are the fields of Kustomize's file that are used here.
type kustomization struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Resources  []string `json:"resources"`
	Patches    []struct {
		Path   string `json:"path"`
		Target struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"target"`
	} `json:"patches"`
}

func TestTheKustomizationPatchesTheWorkloadThatIsThere(t *testing.T) {
	var k kustomization
	if err := yaml.UnmarshalStrict(read(t, "kustomization.yaml"), &k); err != nil {
		t.Fatal(err)
	}
	if k.APIVersion != "kustomize.config.k8s.io/v1beta1" || k.Kind != "Kustomization" || len(k.Resources) != 1 || len(k.Patches) != 1 {
		t.Fatalf("%+v", k)
	}
	workload := find[*appsv1.Deployment](t, objects(t, k.Resources[0]))
	if target := k.Patches[0].Target; target.Kind != "Deployment" || target.Name != workload.Name {
		t.Errorf("it patches %+v", target)
	}
	if len(read(t, k.Patches[0].Path)) == 0 {
		t.Error("the patch is empty")
	}
}
