// Package kernel tells facts of the running kernel: how its clock relates to wall time, what its enums and code
// addresses are called, what it offers to BPF programs, and which privileges this process has there.
//
// Laws: a fact comes from the running kernel, never from a copy of its headers. What the kernel does not tell is
// missing (a sentinel error or false), never guessed. Nothing here attaches to the kernel or changes it.
package kernel
