package request

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"strings"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Metadata identifies a stored object and its version.
type Metadata struct {
	Namespace, Name, UID string
	ResourceVersion      string
	// InitialEventsEnd is set in the bookmark that ends the initial events of a watch.
	InitialEventsEnd bool
	// Controller is the controlling owner, or the zero Owner if there is none.
	Controller Owner
	// Mirror is set for a Pod that shows a static Pod of a node.
	Mirror bool
	// Digest is equal for two versions of an object that differ only in what no policy is decided
	// again for: the status, managedFields, the generation and the resourceVersion.
	Digest uint64
}

// ReadMetadata reads the metadata of an object as the API server sends it, in a fraction of the time
// that it takes to read the object. Digests are comparable if their seeds are equal. Seeds are
// random, so that nobody can write an object that has the digest of another one. It keeps no part of
// the text. The error is a *MalformedError.
func ReadMetadata(text []byte, seed maphash.Seed) (Metadata, error) {
	r := metadataReader{scanner: &scanner{text: unsafe.String(unsafe.SliceData(text), len(text))}}
	r.hash.SetSeed(seed)
	err := r.eachMember(func(name string) error {
		switch name {
		case "metadata":
			return r.eachMember(r.readField)
		case "status":
			return r.skip(1)
		}
		return r.digest(name)
	})
	switch {
	case errors.Is(err, errSyntax):
		return Metadata{}, &MalformedError{What: "object", Reason: whatIsWrong(r.text)}
	case err != nil:
		return Metadata{}, &MalformedError{What: "object", Reason: err.Error()}
	}
	r.found.Digest = r.hash.Sum64()
	return r.found, nil
}

type metadataReader struct {
	*scanner

	hash  maphash.Hash
	found Metadata
}

func (r *metadataReader) readField(name string) (err error) {
	switch name {
	case "resourceVersion":
		r.found.ResourceVersion, err = r.readText()
		return err
	case "managedFields", "generation":
		return r.skip(2)
	}
	from := r.at
	switch name {
	case "namespace":
		r.found.Namespace, err = r.readText()
	case "name":
		r.found.Name, err = r.readText()
	case "uid":
		r.found.UID, err = r.readText()
	case "annotations":
		err = r.readAnnotations()
	case "ownerReferences":
		err = r.readOwners()
	default:
		err = r.skip(2)
	}
	r.add(name, from)
	return err
}

// digest consumes a value and adds it to the hash.
func (r *metadataReader) digest(name string) error {
	from := r.at
	err := r.skip(1)
	r.add(name, from)
	return err
}

// add adds a member to the hash whose value begins at from. The lengths keep names and values apart: a name may have any
// character once it is decoded.
func (r *metadataReader) add(name string, from int) {
	var lengths [16]byte
	binary.LittleEndian.PutUint64(lengths[:8], uint64(len(name)))
	binary.LittleEndian.PutUint64(lengths[8:], uint64(r.at-from)) // not negative
	// A maphash.Hash never returns an error.
	_, _ = r.hash.Write(lengths[:])
	_, _ = r.hash.WriteString(name)
	_, _ = r.hash.WriteString(r.text[from:r.at])
}

// initialEventsEnd is the annotation of the bookmark that ends the initial events of a watch.
const initialEventsEnd = "k8s.io/initial-events-end"

func (r *metadataReader) readAnnotations() error {
	if kindOf(r.next()) != '{' {
		return r.skip(2)
	}
	return r.eachMember(func(name string) error {
		r.found.InitialEventsEnd = r.found.InitialEventsEnd || name == initialEventsEnd
		r.found.Mirror = r.found.Mirror || name == corev1.MirrorPodAnnotationKey
		return r.skip(3)
	})
}

// readOwners reads the first controlling owner, as Controller does.
func (r *metadataReader) readOwners() error {
	reader := valueReader{scanner: r.scanner, unfinished: takeUnfinished()}
	defer reader.release()
	owners, err := reader.read(0)
	if err != nil {
		return err
	}
	owner := Controller(map[string]any{"metadata": map[string]any{"ownerReferences": owners}})
	r.found.Controller = Owner{
		Group: strings.Clone(owner.Group), Kind: strings.Clone(owner.Kind), Name: strings.Clone(owner.Name), UID: strings.Clone(owner.UID),
	}
	return nil
}

// OwnerKind returns the kind of the controlling owner.
func (m *Metadata) OwnerKind() schema.GroupKind {
	return schema.GroupKind{Group: m.Controller.Group, Kind: m.Controller.Kind}
}
