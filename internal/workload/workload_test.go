package workload

import (
	"strings"
	"testing"
)

const (
	id  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	ecs = "0123456789abcdef0123456789abcdef"
	uid = "9f4a1b2c-3d4e-5f60-7182-93a4b5c6d7e8"
)

func TestIdentify(t *testing.T) {
	underscored := strings.ReplaceAll(uid, "-", "_")
	for _, test := range []struct {
		name  string
		names string // innermost first
		want  Identity
	}{
		{"Docker with systemd", "docker-" + id + ".scope system.slice", Identity{ContainerID: id}},
		{"Docker without systemd", id + " docker", Identity{ContainerID: id}},
		{"Podman with systemd", "libpod-" + id + ".scope machine.slice", Identity{ContainerID: id}},
		{"Podman without systemd", "libpod-" + id + " libpod_parent", Identity{ContainerID: id}},
		{"Podman's payload below its scope", "container libpod-" + id + ".scope machine.slice", Identity{ContainerID: id}},
		{"Kubernetes, containerd, systemd",
			"cri-containerd-" + id + ".scope kubepods-burstable-pod" + underscored + ".slice kubepods-burstable.slice",
			Identity{ContainerID: id, PodUID: uid}},
		{"Kubernetes, CRI-O, systemd", "crio-" + id + ".scope kubepods-besteffort-pod" + underscored + ".slice",
			Identity{ContainerID: id, PodUID: uid}},
		{"Kubernetes, guaranteed, systemd", "cri-containerd-" + id + ".scope kubepods-pod" + underscored + ".slice",
			Identity{ContainerID: id, PodUID: uid}},
		{"Kubernetes without systemd", id + " pod" + uid + " burstable kubepods", Identity{ContainerID: id, PodUID: uid}},
		{"Kubernetes, a static pod's hash", id + " pod" + ecs + " burstable kubepods", Identity{ContainerID: id}},
		{"Kubernetes in kind, systemd", "cri-containerd-" + id + ".scope kubelet-kubepods-burstable-pod" + underscored + ".slice",
			Identity{ContainerID: id, PodUID: uid}},
		{"Podman Quadlet", "libpod-payload-" + id + " x.service system.slice", Identity{ContainerID: id}},
		{"a pod inside of a node's container", "x.service pod" + uid + " kubelet " + id + " docker", Identity{ContainerID: id}},
		{"an id below any other hash", id + " " + ecs + " my-app", Identity{}},
		{"a hash and a number below docker", ecs + "-5 docker", Identity{}},
		{"a pod outside of Kubernetes", "x pod" + uid + " home", Identity{}},
		{"Kubernetes, containerd with a mixed driver",
			"kubepods-burstable-pod" + underscored + ".slice:cri-containerd:" + id + " system.slice", Identity{ContainerID: id}},
		{"ECS on EC2", id + " " + ecs + " ecs", Identity{ContainerID: id}},
		{"ECS on Fargate", ecs + "-1234567890 " + ecs + " ecs", Identity{ContainerID: ecs + "-1234567890"}},
		{"systemd in a container", "nginx.service system.slice docker-" + id + ".scope system.slice", Identity{ContainerID: id}},
		{"a service of the host", "nginx.service system.slice", Identity{}},
		{"a user's session", "session-3.scope user-1000.slice user.slice", Identity{}},
		{"a CRI-O conmon", "crio-conmon-" + id + ".scope kubepods.slice", Identity{}},
		{"a name that only looks like an id", id + " user.slice", Identity{}},
		{"an id of the wrong length", "docker-" + id[1:] + ".scope system.slice", Identity{}},
		{"an id in capitals", "docker-" + strings.ToUpper(id) + ".scope system.slice", Identity{}},
		{"a pod without a uid", id + " podium", Identity{}},
		{"a slice that only looks like a pod's", "x.service my-pod" + underscored + ".slice", Identity{}},
		{"nothing", "", Identity{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Identify(strings.Fields(test.names)); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("docker-"+id+".scope", "system.slice")
	f.Add(id, "pod"+uid)
	f.Fuzz(func(t *testing.T, name, parent string) {
		found := Identify([]string{name, parent})
		if found.ContainerID != "" && !strings.Contains(name+" "+parent, found.ContainerID) {
			t.Errorf("container id %q is in neither name", found.ContainerID)
		}
	})
}
