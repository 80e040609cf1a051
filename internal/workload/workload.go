// Package workload says which container and which pod a process belongs to, from the names of its cgroups alone: no
// container engine is asked, no path is looked up, and the answer holds after the process has ended.
//
// Its law: an id is right or absent. A name that only looks like a container's is none.
package workload

import "strings"

// Identity is what the names of a process's cgroups tell. What they do not tell is "".
type Identity struct {
	// ContainerID is the engine's full id of the container: container.id of the semantic conventions.
	ContainerID string
	// PodUID is the uid of the Kubernetes pod, with dashes: k8s.pod.uid of the semantic conventions.
	PodUID string
}

// Identify reads the names of a cgroup and its parents, the innermost first. A container may run a service manager of
// its own, so the container is the innermost name that is one, and the pod the innermost above it.
func Identify(names []string) Identity {
	var found Identity
	for i, name := range names {
		if found.ContainerID == "" {
			parent := ""
			if i+1 < len(names) {
				parent = names[i+1]
			}
			found.ContainerID = containerID(name, parent)
		}
		if found.PodUID == "" {
			found.PodUID = podUID(name)
		}
	}
	return found
}

// scopePrefixes are what engines put before the id where systemd manages cgroups. Docker, containerd, CRI-O and Podman
// name a scope so.
var scopePrefixes = []string{"docker-", "cri-containerd-", "crio-", "libpod-"}

// parents are the cgroups below which a bare id is a container's, where the engine manages cgroups itself: Docker's,
// Podman's, Kubernetes' (a pod), and ECS' (a task's id).
func isContainerParent(parent string) bool {
	return parent == "docker" || parent == "libpod_parent" || parent == "machine.slice" || parent == "ecs" ||
		podUID(parent) != "" || isHex(parent, 32)
}

// containerID returns the id of the container that a cgroup was made for, "" if it was made for something else.
func containerID(name, parent string) string {
	if scope, ok := strings.CutSuffix(name, ".scope"); ok {
		for _, prefix := range scopePrefixes {
			if id, ok := strings.CutPrefix(scope, prefix); ok && isHex(id, 64) {
				return id
			}
		}
		return ""
	}
	// CRI-O and Podman without systemd keep their prefix, containerd in Kubernetes does with a nested id.
	for _, prefix := range []string{"crio-", "libpod-"} {
		if id, ok := strings.CutPrefix(name, prefix); ok && isHex(id, 64) {
			return id
		}
	}
	// systemd units that containerd manages are called <slice>:cri-containerd:<id>.
	if parts := strings.Split(name, ":"); len(parts) == 3 && parts[1] == "cri-containerd" && isHex(parts[2], 64) {
		return parts[2]
	}
	if isHex(name, 64) && isContainerParent(parent) || isECS(name) && isContainerParent(parent) {
		return name
	}
	return ""
}

// podUID returns the uid of the pod that a cgroup was made for: pod<uid>, or kubepods-<class>-pod<uid>.slice with
// underscores for dashes where systemd manages cgroups.
func podUID(name string) string {
	uid, ok := strings.CutPrefix(name, "pod")
	if slice, isSlice := strings.CutSuffix(name, ".slice"); isSlice {
		at := strings.LastIndex(slice, "-pod")
		if !strings.HasPrefix(slice, "kubepods") || at < 0 {
			return ""
		}
		uid, ok = strings.ReplaceAll(slice[at+len("-pod"):], "_", "-"), true
	}
	if !ok || !isUID(uid) {
		return ""
	}
	return uid
}

// isUID tells whether text is a uid: five groups of hex digits with dashes, or the 32 digits of a static pod's hash.
func isUID(text string) bool {
	if isHex(text, 32) {
		return true
	}
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

// isECS tells whether a name is that of a container of Amazon ECS on Fargate: 32 hex digits, a dash and a number.
func isECS(name string) bool {
	id, number, ok := strings.Cut(name, "-")
	if !ok || !isHex(id, 32) || number == "" {
		return false
	}
	return strings.Trim(number, "0123456789") == ""
}

// isHex tells whether text is n lower-case hex digits.
func isHex(text string, n int) bool {
	return len(text) == n && strings.Trim(text, "0123456789abcdef") == ""
}
