// Package workload says which container and which pod a process belongs to, from the names of its cgroups alone: no
// container engine is asked, no path is looked up, and the answer holds after the process has ended.
//
// Its law: an id is right or absent. A name that only looks like a container's is none.
package workload

import (
	"slices"
	"strings"
)

// Identity is what is known of where a process belongs. What is not known is "".
type Identity struct {
	// ContainerID is the engine's full id of the container: container.id of the semantic conventions.
	ContainerID string
	// PodUID is the uid of the Kubernetes pod, with dashes: k8s.pod.uid of the semantic conventions.
	PodUID string
	// ServiceName is what the process itself is told to be called: service.name of the semantic conventions. It is not in
	// the names of cgroups, see Services.
	ServiceName string
}

// Identify reads the names of a cgroup and its parents, the innermost first. A container may run a service manager or a
// whole node of its own, so the container is the innermost name that is one, and the pod the innermost above it.
func Identify(names []string) Identity {
	for i, name := range names {
		above := names[i+1:]
		if id := containerID(name, above); id != "" {
			return Identity{ContainerID: id, PodUID: firstPod(above)}
		}
	}
	return Identity{PodUID: firstPod(names)}
}

// firstPod returns the uid of the innermost pod among the names, "" if there is none.
func firstPod(names []string) string {
	for i, name := range names {
		if uid := podUID(name, names[i+1:]); uid != "" {
			return uid
		}
	}
	return ""
}

// scopePrefixes are what engines put before the id where systemd manages cgroups. Docker, containerd, CRI-O and Podman
// name a scope so.
var scopePrefixes = []string{"docker-", "cri-containerd-", "crio-", "libpod-"}

// isContainerParent tells whether a bare id is a container's below these names, the innermost first, where the engine
// manages cgroups itself: Docker's, Podman's, a Kubernetes pod's, or that of a task of Amazon ECS.
func isContainerParent(above []string) bool {
	if len(above) == 0 {
		return false
	}
	parent := above[0]
	return parent == "docker" || parent == "libpod_parent" || podUID(parent, above[1:]) != "" ||
		strings.HasPrefix(parent, "pod") && slices.Contains(above, "kubepods") || // a static pod's
		isHex(parent, 32) && len(above) > 1 && above[1] == "ecs"
}

// containerID returns the id of the container that a cgroup was made for, "" if it was made for something else.
func containerID(name string, above []string) string {
	if scope, ok := strings.CutSuffix(name, ".scope"); ok {
		for _, prefix := range scopePrefixes {
			if id, ok := strings.CutPrefix(scope, prefix); ok && isHex(id, 64) {
				return id
			}
		}
		return ""
	}
	// CRI-O and Podman keep their prefix without systemd, and Podman in a unit of its own (Quadlet) calls it payload.
	for _, prefix := range []string{"crio-", "libpod-payload-", "libpod-"} {
		if id, ok := strings.CutPrefix(name, prefix); ok && isHex(id, 64) {
			return id
		}
	}
	// systemd units that containerd manages are called <slice>:cri-containerd:<id>.
	if parts := strings.Split(name, ":"); len(parts) == 3 && parts[1] == "cri-containerd" && isHex(parts[2], 64) {
		return parts[2]
	}
	if isHex(name, 64) && isContainerParent(above) || isECS(name, above) {
		return name
	}
	return ""
}

// podUID returns the uid of the pod that a cgroup below these names was made for: pod<uid> somewhere below kubepods, or
// a slice …kubepods-<class>-pod<uid>.slice with underscores for dashes where systemd manages cgroups. The manifest's
// hash that stands in the place of a static pod's uid is not the uid that the API server knows.
func podUID(name string, above []string) string {
	uid, ok := strings.CutPrefix(name, "pod")
	if slice, isSlice := strings.CutSuffix(name, ".slice"); isSlice {
		at := strings.LastIndex(slice, "-pod")
		if at < 0 || !strings.Contains(slice[:at], "kubepods") {
			return ""
		}
		uid, ok = strings.ReplaceAll(slice[at+len("-pod"):], "_", "-"), true
	} else if !slices.Contains(above, "kubepods") {
		return ""
	}
	if !ok || !isUID(uid) {
		return ""
	}
	return uid
}

// isUID tells whether text is a uid: five groups of hex digits with dashes.
func isUID(text string) bool {
	groups := strings.Split(text, "-")
	lengths := []int{8, 4, 4, 4, 12}
	if len(groups) != len(lengths) {
		return false
	}
	for i, group := range groups {
		if !isHex(group, lengths[i]) {
			return false
		}
	}
	return true
}

// isECS tells whether a name is that of a container of Amazon ECS on Fargate: <task>-<number> below <task>.
func isECS(name string, above []string) bool {
	task, number, ok := strings.Cut(name, "-")
	if !ok || !isHex(task, 32) || len(above) == 0 || above[0] != task || number == "" {
		return false
	}
	return strings.Trim(number, "0123456789") == ""
}

// isHex tells whether text is n lower-case hex digits.
func isHex(text string, n int) bool {
	return len(text) == n && strings.Trim(text, "0123456789abcdef") == ""
}
