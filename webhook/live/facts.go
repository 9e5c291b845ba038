package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
)

// Facts reads facts about namespaces from the API server. It reads everything at most once, when
// it is needed, so that all objects of a run are decided by the same facts. It is safe for
// concurrent use.
type Facts struct {
	reader client.Reader

	mutex      sync.Mutex
	namespaces map[string]func() (decision.Namespace, error)
	lists      map[listKey]func() (decision.Facts, error)
	unread     unreadSet
}

// NamespaceMissing is why the labels of a namespace that does not exist are unknown.
const NamespaceMissing = "does not exist in the cluster"

// listKey identifies a list. Only the lists of namespaced kinds have a namespace.
type listKey struct {
	fact      decision.Fact
	namespace string
}

// NewFacts returns Facts. reader must send every read to the API server.
func NewFacts(reader client.Reader) *Facts {
	return &Facts{
		reader: reader, namespaces: map[string]func() (decision.Namespace, error){}, lists: map[listKey]func() (decision.Facts, error){},
	}
}

// Namespace returns the labels of a namespace. They are unknown if the namespace does not exist,
// or if the user is not permitted to read it.
func (f *Facts) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	f.mutex.Lock()
	read, found := f.namespaces[name]
	if !found {
		read = sync.OnceValues(func() (decision.Namespace, error) { return f.readNamespace(ctx, name) })
		f.namespaces[name] = read
	}
	f.mutex.Unlock()
	return read()
}

func (f *Facts) readNamespace(ctx context.Context, name string) (decision.Namespace, error) {
	var namespace corev1.Namespace
	err := f.reader.Get(ctx, client.ObjectKey{Name: name}, &namespace)
	if apierrors.IsNotFound(err) {
		return decision.Namespace{Name: name, Missing: NamespaceMissing}, nil
	}
	err = unread(err, "namespaces", name)
	if refused, ok := errors.AsType[*UnreadError](err); ok {
		f.unread.add(refused)
		return decision.Namespace{Name: name, Missing: "cannot be read with your permissions"}, nil
	}
	if err != nil {
		return decision.Namespace{}, fmt.Errorf("reading namespace %q: %w", name, err)
	}
	return decision.Namespace{Name: name, Labels: namespace.Labels, Annotations: namespace.Annotations, Known: true, Created: namespace.CreationTimestamp.Time}, nil
}

// Unread returns an error for each resource that was needed and that the user is not permitted to
// read, by resource and namespace.
func (f *Facts) Unread() []*UnreadError { return f.unread.sorted() }

// Facts returns the wanted facts about a namespace, which must not be modified. Those that the user
// is not permitted to read are in its Unread.
func (f *Facts) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	all := decision.Facts{Fresh: true}
	if namespace == "" {
		return all, nil
	}
	for _, fact := range wanted {
		part, err := f.list(ctx, fact, namespace)
		if refused, ok := errors.AsType[*UnreadError](err); ok {
			f.unread.add(refused)
			all.SetUnread(fact, refused.Error())
			continue
		}
		if err != nil {
			return decision.Facts{}, err
		}
		all.Replace(fact, &part)
	}
	return all, nil
}

func (f *Facts) list(ctx context.Context, fact decision.Fact, namespace string) (decision.Facts, error) {
	kind, known := kindOf(fact)
	if !known {
		return decision.Facts{}, fmt.Errorf("there is no fact %q", fact)
	}
	if !kind.namespaced() {
		namespace = ""
	}
	key := listKey{fact, namespace}
	f.mutex.Lock()
	read, found := f.lists[key]
	if !found {
		read = sync.OnceValues(func() (decision.Facts, error) {
			objects, err := list[client.Object](ctx, f.reader, kind.newList, client.InNamespace(namespace))
			if err != nil {
				return decision.Facts{}, listing(kind.resource, namespace, err)
			}
			return factsOf(objects), nil
		})
		f.lists[key] = read
	}
	f.mutex.Unlock()
	return read()
}

func factsOf(objects []client.Object) (facts decision.Facts) {
	for _, object := range objects {
		facts.Add(object)
	}
	return facts
}
