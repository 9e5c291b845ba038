package request_test

import (
	"errors"
	"hash/maphash"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/request"
)

const storedPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"u-1","resourceVersion":"41","generation":2,
"labels":{"app":"web"},"annotations":{"note":"a"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"x","uid":"u-x"},
{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"u-2","controller":true}],"managedFields":[{"manager":"m"}]},
"spec":{"containers":[{"name":"app","image":"nginx"}]},"status":{"phase":"Running"}}`

func TestReadMetadata(t *testing.T) {
	got, err := request.ReadMetadata([]byte(storedPod), maphash.MakeSeed())
	if err != nil {
		t.Fatal(err)
	}
	want := request.Metadata{
		Namespace: "shop", Name: "web", UID: "u-1", ResourceVersion: "41", Digest: got.Digest,
		Controller: request.Owner{Group: "apps", Kind: "ReplicaSet", Name: "web-1", UID: "u-2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if kind := got.OwnerKind(); kind != (schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}) {
		t.Errorf("the owner is a %s", kind)
	}
}

// A mirror Pod says so in an annotation, like the end of the initial events of a watch.
func TestMetadataInAnnotations(t *testing.T) {
	for annotation, want := range map[string]request.Metadata{
		"kubernetes.io/config.mirror": {Mirror: true}, "k8s.io/initial-events-end": {InitialEventsEnd: true}, "kubernetes.io/config.source": {},
	} {
		got, err := request.ReadMetadata([]byte(`{"metadata":{"annotations":{"a":"b","`+annotation+`":"x"}}}`), maphash.MakeSeed())
		if want.Digest = got.Digest; err != nil || got != want {
			t.Errorf("%s: %+v, %v", annotation, got, err)
		}
	}
}

// The digest changes with whatever a policy may read, and with nothing that changes by itself.
func TestDigest(t *testing.T) {
	seed := maphash.MakeSeed()
	digest := func(text string) uint64 {
		t.Helper()
		found, err := request.ReadMetadata([]byte(text), seed)
		if err != nil {
			t.Fatal(err)
		}
		return found.Digest
	}
	base := digest(storedPod)
	for name, c := range map[string]struct {
		old, new string
		same     bool
	}{
		"the status":         {`"Running"`, `"Failed"`, true},
		"the version":        {`"41"`, `"42"`, true},
		"the generation":     {`"generation":2`, `"generation":3`, true},
		"managed fields":     {`"manager":"m"`, `"manager":"n"`, true},
		"the spec":           {`"nginx"`, `"nginx:1"`, false},
		"a label":            {`"app":"web"`, `"app":"wob"`, false},
		"an annotation":      {`"note":"a"`, `"note":"b"`, false},
		"the owner":          {`"u-2"`, `"u-3"`, false},
		"a new object":       {`"u-1"`, `"u-9"`, false},
		"a label of no name": {`"labels":{"app":"web"},`, ``, false},
		"another member":     {`"status":`, `"data":{"a":"b"},"status":`, false},
	} {
		changed := strings.Replace(storedPod, c.old, c.new, 1)
		if changed == storedPod {
			t.Errorf("%s: nothing changed", name)
		}
		if same := digest(changed) == base; same != c.same {
			t.Errorf("%s: same digest: %t", name, same)
		}
	}
	// A name may have any character once it is decoded.
	if digest(`{"x":1,"y":2}`) == digest(`{"x\u00001\u0000y":2}`) {
		t.Error("two members and one have the same digest")
	}
	other, err := request.ReadMetadata([]byte(storedPod), maphash.MakeSeed())
	if err != nil || other.Digest == base {
		t.Errorf("two seeds give the digest %d, %v", base, err)
	}
}

func TestReadMetadataOfABookmark(t *testing.T) {
	for text, want := range map[string]request.Metadata{
		`{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}`: {ResourceVersion: "7", InitialEventsEnd: true},
		`{"metadata":{"resourceVersion":"8","annotations":null,"ownerReferences":null}}`:          {ResourceVersion: "8"},
		`{}`: {},
	} {
		got, err := request.ReadMetadata([]byte(text), maphash.MakeSeed())
		got.Digest = 0
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", text, err, diff)
		}
	}
}

func TestReadMetadataRefusesWhatIsNoObject(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"metadata":`, `{"metadata":[]}`, `{"metadata":{"name":1}}`, `{"spec":{]}`} {
		_, err := request.ReadMetadata([]byte(text), maphash.MakeSeed())
		if _, malformed := errors.AsType[*request.MalformedError](err); !malformed {
			t.Errorf("%q: %v", text, err)
		}
	}
}
