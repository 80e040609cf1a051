// Command image writes a container image of one static binary, as a tar file that engines load: an OCI image layout,
// and the older form beside it that Docker before 25 needs. The same binary gives the same bytes. Beside the binary it
// holds the authorities that Mozilla trusts, without which no collector's certificate could be checked.
//
//	image BINARY ARCHITECTURE NAME:TAG CREATED OUT    (CREATED in seconds since 1970)
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return errors.New("give BINARY ARCHITECTURE NAME:TAG CREATED OUT")
	}
	binary, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return fmt.Errorf("read the time of creation: %w", err)
	}
	created := time.Unix(seconds, 0).UTC()
	layer, err := archive(created, file{"kerntap", 0o755, binary}, file{"etc/ssl/certs/ca-certificates.crt", 0o644, authorities()})
	if err != nil {
		return err
	}
	files, err := layout(layer, args[1], args[2], created)
	if err != nil {
		return err
	}
	image, err := archive(created, files...)
	if err != nil {
		return err
	}
	return os.WriteFile(args[4], image, 0o644)
}

// authorities are in the form and at the place in which Go looks for them. Those that are trusted with restrictions only
// are left out: the form has no room for these.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return out.Bytes()
}

type file struct {
	name    string
	mode    int64
	content []byte
}

// archive returns a tar of files that belong to root and are of one time.
func archive(at time.Time, files ...file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		header := tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(&header); err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// object is a JSON object of the image specification.
type object map[string]any

// layout returns the files of an image of one layer (OCI image-spec 1.1, and Docker's manifest.json).
func layout(layer []byte, arch, name string, created time.Time) ([]file, error) {
	const oci = "application/vnd.oci.image."
	config, configAt, err := blob(object{
		"architecture": arch, "os": "linux", "created": created.Format(time.RFC3339),
		"config": object{"Entrypoint": []string{"/kerntap"}, "Cmd": []string{"run"}, "User": "0:0"},
		"rootfs": object{"type": "layers", "diff_ids": []string{digest(layer)}},
	}, oci+"config.v1+json")
	if err != nil {
		return nil, err
	}
	layerAt := descriptor(layer, oci+"layer.v1.tar")
	manifest, manifestAt, err := blob(object{"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
		"config": configAt, "layers": []object{layerAt}}, oci+"manifest.v1+json")
	if err != nil {
		return nil, err
	}
	manifestAt["annotations"] = object{"io.containerd.image.name": name}
	index, _, err := blob(object{"schemaVersion": 2, "manifests": []object{manifestAt}}, oci+"index.v1+json")
	if err != nil {
		return nil, err
	}
	docker, err := json.Marshal([]object{{"Config": path(config), "RepoTags": []string{name}, "Layers": []string{path(layer)}}})
	return []file{
		{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", 0o644, index},
		{"manifest.json", 0o644, docker},
		{path(config), 0o644, config}, {path(manifest), 0o644, manifest}, {path(layer), 0o644, layer},
	}, err
}

// blob returns what is stored for an object, and how others refer to it.
func blob(o object, mediaType string) ([]byte, object, error) {
	content, err := json.Marshal(o)
	return content, descriptor(content, mediaType), err
}

func descriptor(content []byte, mediaType string) object {
	return object{"mediaType": mediaType, "digest": digest(content), "size": len(content)}
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// path is where a blob is stored.
func path(content []byte) string { return fmt.Sprintf("blobs/sha256/%x", sha256.Sum256(content)) }
